import { Command, Option } from 'commander';
import { BUILD_TYPES, type BuildType } from '../../builder/weights/weights.js';
import type { Comparison } from '../../parity/comparison.js';
import { runCases } from '../../parity/run-cases.js';
import { EXIT } from '../exit-codes.js';
import { reportResult } from '../json-report.js';
import { modelOptions, withModelOptions, type ModelCommandOptions } from '../model-options.js';
import { print, printTable, say } from '../terminal.js';

interface ParityCommandOptions extends ModelCommandOptions {
  readonly dtype: BuildType;
  readonly tokenizer?: string;
  readonly json?: string;
}

export function parityCommand(): Command {
  return withModelOptions(
    new Command('parity')
      .description(
        'compare with golden cases of the reference implementations: every stage, its largest difference, and a verdict',
      )
      .argument('<case...>', 'case folders (with case.json), or folders of them')
      .addOption(new Option('--dtype <type>', 'type of the weights').choices(BUILD_TYPES).default('fp32'))
      .option(
        '--tokenizer <dir>',
        'tokenizer of native checkpoints (default: the folder tokenizer-small above the case)',
      )
      .option('--json <file>', 'write the rows as JSON too; - for stdout, in place of the table'),
  )
    .addHelpText(
      'after',
      '\nTolerances are those of the cases; fp16 allows 2 % of the largest value of a stage, int4 and bf16 are reported without a verdict on floats and tokens.\nExits with 3 when a row fails. "refused" is right only where the case allows it; "skipped" was not compared.',
    )
    .action(run);
}

async function run(folders: readonly string[], options: ParityCommandOptions): Promise<void> {
  const rows: Comparison[] = [];
  for (const folder of folders) {
    rows.push(
      ...(await runCases(
        folder,
        { type: options.dtype, model: modelOptions(options), tokenizer: options.tokenizer },
        (done) => {
          say(`${done[0]?.case ?? folder}: ${summary(done)}`);
        },
      )),
    );
  }
  await reportResult(options.json, rows, () => {
    show(rows);
  });
  if (rows.some(({ verdict }) => verdict === 'fail')) process.exitCode = EXIT.input;
}

function show(rows: readonly Comparison[]): void {
  printTable(
    ['case', 'stage', 'max abs difference', 'tolerance', 'verdict'],
    rows.map((row) => [
      row.case,
      row.stage,
      row.difference === null ? '-' : row.difference === 0 ? '0' : row.difference.toExponential(2),
      row.tolerance === null ? '-' : row.tolerance === 0 ? 'exact' : row.tolerance.toExponential(0),
      row.note === undefined ? row.verdict : `${row.verdict}: ${row.note.slice(0, 90)}`,
    ]),
  );
  print(summary(rows));
}

function summary(rows: readonly Comparison[]): string {
  return (['pass', 'fail', 'reported', 'refused', 'skipped'] as const)
    .map((verdict) => [rows.filter((row) => row.verdict === verdict).length, verdict] as const)
    .filter(([count]) => count > 0)
    .map(([count, verdict]) => `${count} ${verdict}`)
    .join(', ');
}
