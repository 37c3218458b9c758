import { Command } from 'commander';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { loadArm } from '../../files/arm-file.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { episodeStatistics } from '../../simulator/episode-statistics.js';
import { makeEpisodes } from '../../simulator/make-episodes.js';
import { loadSceneConfig } from '../../simulator/scene.js';
import { episodeFolder, PREVIEW, type EpisodeSummary } from '../../simulator/write-episode.js';
import { countingNumber, episodeCount, wholeNumber } from '../arguments.js';
import { interruptible } from '../interruption.js';
import { makeFolder } from '../output-folder.js';
import { countBar, say, toJson } from '../terminal.js';

interface EpisodesCommandOptions {
  readonly count: number;
  readonly seed: number;
  readonly out: string;
  readonly scene?: string;
  readonly threads: number;
}

/** Of the picture sheet. */
const SHEET = { columns: 6, rows: 5, width: 240, height: 135 };

export function episodesCommand(): Command {
  return new Command('episodes')
    .description('record the scripted expert in the simulator, in the MolmoSpaces layout, on all cores')
    .requiredOption('--count <n>', 'episodes, each from the next seed', episodeCount)
    .option('--seed <n>', 'of the first', wholeNumber, 0)
    .requiredOption('--out <dir>', 'folder; episodes that are in it already are kept')
    .option('--scene <file>', 'description of the scenes (default: config/scenes/tabletop.yaml)')
    .option(
      '--threads <n>',
      'episodes made at the same time (default: one for each core)',
      countingNumber,
      availableParallelism(),
    )
    .addHelpText(
      'after',
      '\nWrites house_SEED/ with trajectories_batch_1_of_1.h5, videos, point tracks and episode.json for each; statistics.json (q01, q99, mean, std, ... of states and\nactions, failures by seed) and sheet.png for all. An episode in which the expert fails leaves its episode.json alone. A run that was cut off goes on where it was.',
    )
    .action(run);
}

async function run({ count, seed, out, scene, threads }: EpisodesCommandOptions): Promise<void> {
  const [arm, config] = await Promise.all([loadArm('fr3'), loadSceneConfig(scene)]);
  await makeFolder(out);
  const bar = countBar('episodes');
  const summaries = await interruptible((signal) =>
    makeEpisodes({ arm, config, count, seed, out, threads, signal, onEpisode: bar.update }),
  ).finally(bar.stop);
  const statistics = episodeStatistics(summaries);
  await writeAtomically(path.join(out, 'statistics.json'), `${toJson(statistics)}\n`);
  const good = summaries.filter(({ success }) => success);
  if (good.length > 0) await writeAtomically(path.join(out, 'sheet.png'), await sheet(out, good));
  say(
    `${statistics.succeeded} of ${statistics.episodes} episodes, ${statistics.steps} steps; written to ${out}: house_*/, statistics.json${good.length > 0 ? ', sheet.png' : ''}`,
  );
  for (const { seed: failed, failure } of statistics.failures) say(`seed ${failed}: ${failure}`);
}

/** Some of the pictures, side by side. */
async function sheet(out: string, summaries: readonly EpisodeSummary[]): Promise<Buffer> {
  const shown = summaries.slice(0, SHEET.columns * SHEET.rows);
  const pictures = await Promise.all(
    shown.map(({ seed }) =>
      sharp(path.join(episodeFolder(out, seed), PREVIEW))
        .resize(SHEET.width, SHEET.height)
        .toBuffer(),
    ),
  );
  const rows = Math.ceil(pictures.length / SHEET.columns);
  return sharp({
    create: {
      width: SHEET.width * Math.min(SHEET.columns, pictures.length),
      height: SHEET.height * rows,
      channels: 3,
      background: 'black',
    },
  })
    .composite(
      pictures.map((input, i) => ({
        input,
        left: SHEET.width * (i % SHEET.columns),
        top: SHEET.height * Math.floor(i / SHEET.columns),
      })),
    )
    .png()
    .toBuffer();
}
