import { Command } from 'commander';
import { mergeShards, readShardReport } from '../../evaluation/shards.js';
import { readJsonFile } from '../../files/json-file.js';
import { showEpisodes } from '../episodes-summary.js';
import { reportResult } from '../json-report.js';

export function evaluateMergeCommand(): Command {
  return new Command('merge')
    .description('put the reports of evaluate episodes --shard together: the report of one run, times apart')
    .argument('<file...>', 'reports of all shards, in any order')
    .option('--json <file>', 'write the report; - for stdout, in place of the text')
    .addHelpText('after', '\nA shard that is missing is an error, which says what has to be run again.')
    .action(run);
}

async function run(files: readonly string[], { json }: { readonly json?: string }): Promise<void> {
  const shards = await Promise.all(
    files.map(async (file) => ({
      file,
      report: readShardReport(file, await readJsonFile(file, 'shard.format', 'run this shard again')),
    })),
  );
  const report = mergeShards(shards);
  await reportResult(json, report, () => {
    showEpisodes(report);
  });
}
