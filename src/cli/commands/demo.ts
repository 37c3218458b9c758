import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { EXIT } from '../exit-codes.js';
import { DEFAULT_STEPS } from '../forecasters.js';
import { printJson, say } from '../terminal.js';
import { DEFAULT_EXECUTION, runReplay } from './replay.js';

/** Made by `npm run make-demo-recording`; see there. */
const RECORDING = fileURLToPath(new URL('../../../demo-data/tabletop.mcap', import.meta.url));

export function demoCommand(): Command {
  return new Command('demo')
    .description('replay the bundled recording of a synthetic tabletop seen by two RGB-D cameras')
    .option('--out <dir>', 'folder for the results', 'demo')
    .option('--json', 'print the report to stdout')
    .action(async (options: { readonly out: string; readonly json?: boolean }) => {
      const report = await runReplay(RECORDING, {
        ...DEFAULT_EXECUTION,
        out: options.out,
        forecaster: 'extrapolate',
        steps: DEFAULT_STEPS,
        period: 1,
        seed: 0,
        provider: 'cpu',
      });
      const { forecasts } = report.stages.forecasting;
      if (options.json) printJson(report);
      say(`instruction: ${report.instruction ?? 'none'}`);
      say(
        `${report.messages.total} messages of ${report.duration_s.toFixed(1)} s in ${report.wall_s.toFixed(1)} s, ${forecasts} forecasts`,
      );
      say(
        `look at ${options.out}/overlay.png; open ${options.out}/replay.mcap in Foxglove or Lichtblick; figures are in ${options.out}/report.json`,
      );
      if (forecasts === 0) process.exitCode = EXIT.unexpected;
    });
}
