import { Command, Option } from 'commander';
import { InputError } from '../../core/errors.js';
import { evaluatePredictions, type PredictionsReport } from '../../evaluation/predictions.js';
import type { MetricVariant } from '../../evaluation/metrics.js';
import { evaluateCommandsCommand } from './evaluate-commands.js';
import { evaluateEpisodesCommand } from './evaluate-episodes.js';
import { evaluateMergeCommand } from './evaluate-merge.js';
import { readText } from '../input-file.js';
import { reportResult } from '../json-report.js';
import { printTable, say } from '../terminal.js';

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description('score predictions, the closed loop in the simulator, or recorded commands')
    .addCommand(evaluatePredictionsCommand())
    .addCommand(evaluateEpisodesCommand())
    .addCommand(evaluateMergeCommand())
    .addCommand(evaluateCommandsCommand());
}

function evaluatePredictionsCommand(): Command {
  return new Command('predictions')
    .description('ADE, FDE and PWT of a predictions.jsonl against the truth it holds')
    .argument('<file>', 'one JSON object a line, as the published evaluation writes them')
    .addOption(
      new Option('--variant <name>', 'the paper (appendix C.4) or the released script')
        .choices(['paper', 'released'])
        .default('paper'),
    )
    .option('--json <file>', 'write the result as JSON too; - for stdout, in place of the table')
    .action(run);
}

async function run(file: string, options: { readonly variant: MetricVariant; readonly json?: string }): Promise<void> {
  const report = evaluatePredictions(await readText(file), options.variant);
  // The pooled values stand on top, as the published script prints them.
  await reportResult(options.json, { ...report.pooled, ...report }, () => {
    show(report);
  });
  if (report.pooled.pairs > 0) return;
  throw new InputError({
    code: 'predictions.unscored',
    message: `nothing in ${file} could be scored`,
    remedy: 'give predictions with their truth (gt_future_raw), in the same shape',
  });
}

function show(report: PredictionsReport): void {
  const text = (value: number | null): string => value?.toFixed(4) ?? '-';
  const row = (
    name: string,
    m: { ADE: number | null; FDE: number | null; PWT: number | null },
    pairs: number | string,
  ): string[] => [name, text(m.ADE), text(m.FDE), text(m.PWT), String(pairs)];
  printTable(
    ['clip', 'ADE, m', 'FDE, m', 'PWT', 'pairs'],
    [
      ...Object.entries(report.per_clip).map(([name, m]) => row(name, m, m.pairs)),
      row('mean over clips', report.mean_over_clips, ''),
      row('pooled', report.pooled, report.pooled.pairs),
    ],
  );
  for (const { line, reason } of report.skipped) say(`line ${line} is not scored: ${reason}`);
}
