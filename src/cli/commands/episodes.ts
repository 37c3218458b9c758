import { Command, InvalidArgumentError } from 'commander';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { loadArm } from '../../files/arm-file.js';
import { installedPath } from '../../core/installed-path.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { episodeStatistics } from '../../simulator/episode-statistics.js';
import { PHASES, type Phase } from '../../simulator/expert.js';
import { makeEpisodes, makeMoments, type EpisodesOptions } from '../../simulator/make-episodes.js';
import type { MomentOptions } from '../../simulator/moments.js';
import { loadSceneConfig } from '../../simulator/scene-config.js';
import { episodeFolder, PREVIEW, type EpisodeSummary } from '../../simulator/write-episode.js';
import { countingNumber, episodeCount, notNegative, wholeNumber } from '../arguments.js';
import { interruptible } from '../interruption.js';
import { makeFolder } from '../output-folder.js';
import { countBar, say, toJson } from '../terminal.js';

interface EpisodesCommandOptions {
  readonly count: number;
  readonly seed: number;
  readonly out: string;
  readonly scene?: string;
  readonly jobs: number;
  readonly moments?: boolean;
  readonly stride: number;
  readonly noise: number;
  readonly detours: number;
  readonly phases: readonly Phase[];
}

/** Of the picture sheet. */
const SHEET = { columns: 6, rows: 5, width: 240, height: 135 };

export function episodesCommand(): Command {
  return new Command('episodes')
    .description('record the scripted expert in the simulator, in the MolmoSpaces layout, on all cores')
    .requiredOption('--count <n>', 'episodes, each from the next seed', episodeCount)
    .option('--seed <n>', 'of the first', wholeNumber, 0)
    .requiredOption('--out <dir>', 'folder; episodes that are in it already are kept')
    .option('--scene <file>', `description of the scenes (default: ${installedPath('config/scenes/tabletop.yaml')})`)
    .option(
      '--jobs <n>',
      'episodes made at the same time (default: one for each core)',
      countingNumber,
      availableParallelism(),
    )
    .option(
      '--moments',
      'write moments of disturbed executions, with what the expert would do next, instead of recordings',
    )
    .option('--stride <n>', 'with --moments: control steps between two while the object is held', countingNumber, 5)
    .option('--noise <rad>', 'with --moments: largest disturbance of a joint', notNegative, 0.025)
    .option('--detours <n>', 'with --moments: places that the object is carried to on its way', wholeNumber, 3)
    .option(
      '--phases <names>',
      'with --moments: only these, between commas',
      phaseNames,
      Object.keys(PHASES) as Phase[],
    )
    .addHelpText(
      'after',
      '\nWrites house_SEED/ with trajectories_batch_1_of_1.h5, videos, point tracks and episode.json for each; statistics.json (q01, q99, mean, std, ... of states and\nactions, failures by seed) and sheet.png for all. An episode in which the expert fails leaves its episode.json alone.\nWith --moments: house_SEED/ with moments.json (where everything is, and the next commands for each receptacle of the scene), and for each camera the pictures of all\nmoments one below the other. A run that was cut off goes on where it was.',
    )
    .action(run);
}

async function run(options: EpisodesCommandOptions): Promise<void> {
  const { count, seed, out, scene, jobs: threads } = options;
  const [arm, config] = await Promise.all([loadArm('fr3'), loadSceneConfig(scene)]);
  await makeFolder(out);
  const bar = countBar('episodes');
  const make = <T>(work: (making: EpisodesOptions) => Promise<T>): Promise<T> =>
    interruptible((signal) => work({ arm, config, count, seed, out, threads, signal, onEpisode: bar.update })).finally(
      bar.stop,
    );
  if (options.moments === true) {
    const made = await make((making) => makeMoments(making, momentOptions(options)));
    const moments = made.reduce((sum, one) => sum + one.moments, 0);
    const failed = made.filter(({ failure }) => failure !== null);
    say(`${moments} moments of ${count - failed.length} of ${count} episodes; written to ${out}: house_*/`);
    for (const one of failed) say(`seed ${one.seed}: ${one.failure}`);
    return;
  }
  const summaries = await make(makeEpisodes);
  const statistics = episodeStatistics(summaries);
  await writeAtomically(path.join(out, 'statistics.json'), `${toJson(statistics)}\n`);
  const good = summaries.filter(({ success }) => success);
  if (good.length > 0) await writeAtomically(path.join(out, 'sheet.png'), await sheet(out, good));
  say(
    `${statistics.succeeded} of ${statistics.episodes} episodes, ${statistics.steps} steps; written to ${out}: house_*/, statistics.json${good.length > 0 ? ', sheet.png' : ''}`,
  );
  for (const { seed: failed, failure } of statistics.failures) say(`seed ${failed}: ${failure}`);
}

function momentOptions({ stride, noise, detours, phases }: EpisodesCommandOptions): MomentOptions {
  return { stride, noiseRad: noise, detours, phases };
}

function phaseNames(text: string): Phase[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !Object.hasOwn(PHASES, name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`"${unknown}" is no phase; the phases are ${Object.keys(PHASES).join(', ')}.`);
  return names as Phase[];
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
