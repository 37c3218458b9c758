import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import { outputError, writeAtomically } from '../files/atomic-file.js';
import { readJsonFile } from '../files/json-file.js';
import { RolloutWriter } from '../recordings/molmospaces/rollout-writer.js';
import { keyPicture, recordEpisode } from './episode.js';
import type { SceneConfig } from './scene-config.js';

const rows = z.array(z.array(z.number()));
const summarySchema = z.strictObject({
  seed: z.number().int(),
  instruction: z.string(),
  /** Where they stand: the middle of the bottom, in the arm's base, metres. None for an episode that could not be made. */
  receptacles: z.array(
    z.strictObject({
      label: z.string(),
      position: z.tuple([z.number(), z.number(), z.number()]),
      radius: z.number(),
      height: z.number(),
    }),
  ),
  success: z.boolean(),
  /** Why not; null for a success. */
  failure: z.string().nullable(),
  /** Observations. */
  steps: z.number().int(),
  states: rows,
  actions: rows,
});
/** What is remembered of an episode beside its recording; it is written last, so an episode that has it is whole. */
export type EpisodeSummary = z.infer<typeof summarySchema>;

export const REMAKE = 'remove the folder of that episode: it is made again';
const SUFFIX = '_batch_1_of_1';
const SUMMARY = 'episode.json';
export const PREVIEW = 'preview.png';

export function episodeFolder(out: string, seed: number): string {
  return path.join(out, `house_${seed}`);
}

/** Of an episode that was made before; null when there is none. @throws InputError `episodes.summary` for one that is damaged. */
export async function readSummary(out: string, seed: number): Promise<EpisodeSummary | null> {
  const file = path.join(episodeFolder(out, seed), SUMMARY);
  if (!existsSync(file)) return null;
  const read = summarySchema.safeParse(await readJsonFile(file, 'episodes.summary', REMAKE));
  if (read.success) return read.data;
  throw new InputError({
    code: 'episodes.summary',
    message: `${file} is not the summary of an episode: ${z.prettifyError(read.error).replaceAll('\n', ' ')}`,
    remedy: REMAKE,
  });
}

/**
 * Makes the episode of a seed and writes it in the MolmoSpaces layout, into a folder of its own. One in which the expert failed leaves its summary
 * alone. @throws OutputError.
 */
export async function writeEpisode(arm: Arm, config: SceneConfig, seed: number, out: string): Promise<EpisodeSummary> {
  const folder = episodeFolder(out, seed);
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw outputError(folder, cause);
  }
  const summary = await recordInto(folder, arm, config, seed);
  await writeAtomically(path.join(folder, SUMMARY), `${JSON.stringify(summary)}\n`);
  return summary;
}

async function recordInto(folder: string, arm: Arm, config: SceneConfig, seed: number): Promise<EpisodeSummary> {
  try {
    const episode = await recordEpisode(arm, config, seed);
    const { scene, description, steps, tracks, states, actions, outcome } = episode;
    if (outcome.success) {
      const writer = await RolloutWriter.create(folder, SUFFIX);
      try {
        await writer.add(description, steps, tracks);
        await writer.commit();
      } catch (error) {
        await writer.abort().catch(() => undefined);
        throw error;
      }
      const { width, height, data } = keyPicture(episode);
      await writeAtomically(
        path.join(folder, PREVIEW),
        await sharp(data, { raw: { width, height, channels: 3 } })
          .png()
          .toBuffer(),
      );
    }
    return {
      seed,
      instruction: description.task_description,
      receptacles: scene.receptacles.map(({ label, position: [x, y, z], radius, height }) => ({
        label,
        position: [x, y, z],
        radius,
        height,
      })),
      success: outcome.success,
      failure: outcome.failure,
      steps: steps.length,
      states: outcome.success ? states.map((row) => [...row]) : [],
      actions: outcome.success ? actions.map((row) => [...row]) : [],
    };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const nothing = { steps: 0, states: [], actions: [], receptacles: [] };
    return { seed, instruction: '', success: false, failure: error.message, ...nothing };
  }
}
