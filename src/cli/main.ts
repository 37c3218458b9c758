import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { benchCommand } from './commands/bench.js';
import { buildCommand } from './commands/build.js';
import { planCommand } from './commands/plan.js';
import { pointCommand } from './commands/point.js';
import { policyCommand } from './commands/policy.js';
import { parityCommand } from './commands/parity.js';
import { demoCommand } from './commands/demo.js';
import { episodesCommand } from './commands/episodes.js';
import { evaluateCommand } from './commands/evaluate.js';
import { forecastCommand } from './commands/forecast.js';
import { infoCommand } from './commands/info.js';
import { inspectCommand } from './commands/inspect.js';
import { liftCommand } from './commands/lift.js';
import { replayCommand } from './commands/replay.js';
import { tracksCommand } from './commands/tracks.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { formatError, say } from './terminal.js';

const HELP = `
Exit codes:
  0    done
  1    a fault of the software
  2    wrong usage or configuration
  3    input that cannot be used, or an answer that cannot be read (what could be written is written)
  4    output that could not be written whole (nothing stands under its final name)
  5    done, and the robot did not do what it was told (an episode of the demo failed)
  130  cancelled with Ctrl-C`;

/** Runs one command and sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  const { version, description } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
    description: string;
  };
  const program = new Command('molmo-motion')
    .description(description)
    .version(version)
    .option('--verbose', 'print the stack of an error')
    .addHelpText('after', HELP)
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride();
  for (const make of [
    replayCommand,
    forecastCommand,
    liftCommand,
    tracksCommand,
    episodesCommand,
    evaluateCommand,
    infoCommand,
    demoCommand,
    buildCommand,
    inspectCommand,
    planCommand,
    policyCommand,
    pointCommand,
    parityCommand,
    benchCommand,
  ]) {
    program.addCommand(inherit(make(), program));
  }
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has printed its own message; asking for help is no error.
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    say(formatError(error, argv.includes('--verbose')));
    process.exitCode = exitCodeOf(error);
  }
}

function inherit(command: Command, program: Command): Command {
  command.copyInheritedSettings(program).option('--verbose', 'print the stack of an error').addHelpText('after', HELP);
  for (const sub of command.commands) inherit(sub, program);
  return command;
}
