import { Command, Option } from 'commander';
import { checkConfig } from '../../assembly/check-config.js';
import { presetNames, presetPurpose } from '../../assembly/config/config-files.js';
import { configurationPage } from '../../assembly/config/configuration-page.js';
import { loadConfig } from '../../assembly/config/load-config.js';
import { renderConfig } from '../../assembly/config/render-config.js';
import { FORECASTERS } from '../../assembly/forecasters.js';
import { GROUNDERS } from '../../assembly/grounders.js';
import { PLANNERS } from '../../assembly/planners.js';
import { configSources, withConfigOptions, withPlanningOptions, type ConfigCommandOptions } from '../config-options.js';
import { print, printTable, say } from '../terminal.js';

interface ConfigOptions extends ConfigCommandOptions {
  readonly for?: 'replay' | 'simulator';
  readonly diff?: boolean;
  readonly registered?: boolean;
  readonly markdown?: boolean;
}

const REGISTRIES = [GROUNDERS, FORECASTERS, PLANNERS] as const;

export function configCommand(): Command {
  const command = new Command('config').description(
    'print a configuration with where each value comes from, and check it without running',
  );
  return withPlanningOptions(withConfigOptions(command))
    .addOption(
      new Option('--for <world>', 'with what this world sets below the file (default: nothing)').choices([
        'replay',
        'simulator',
      ]),
    )
    .option('--diff', 'only what is no default')
    .option('--registered', 'print the words for grounder, forecaster and planner, with their options')
    .option('--markdown', 'print the reference of all settings, which is docs/configuration.md')
    .addHelpText(
      'after',
      '\nWhat is printed is a configuration file again. Cameras and topics are checked where they are used: molmo-motion info RECORDING --config FILE.',
    )
    .action(run);
}

async function run(options: ConfigOptions): Promise<void> {
  if (options.registered) {
    for (const { kind, entries, bundle } of REGISTRIES)
      printTable(
        [kind, 'what', 'options'],
        [...entries, ...(bundle ? [bundle] : [])].map(({ name, argument, summary, options: { shape } }) => [
          argument === null ? name : `${name === 'bundle' ? '' : `${name}:`}${argument}`,
          summary,
          Object.keys(shape).join(', '),
        ]),
      );
    return;
  }
  if (options.markdown) {
    const presets = await Promise.all(
      (await presetNames()).map(async (name) => ({ name, purpose: await presetPurpose(name) })),
    );
    process.stdout.write(configurationPage(REGISTRIES, presets));
    return;
  }
  const loaded = await loadConfig(configSources(options, options.for === undefined ? {} : { preset: options.for }));
  await checkConfig(loaded.config);
  print(renderConfig(loaded, options.diff ?? false).trimEnd());
  say('the configuration can be used');
}
