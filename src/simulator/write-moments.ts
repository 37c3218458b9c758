import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import { outputError, writeAtomically } from '../files/atomic-file.js';
import { readJsonFile } from '../files/json-file.js';
import type { Transform } from '../geometry/transform.js';
import { recordMoments, type MomentOptions, type Moments } from './moments.js';
import type { SceneConfig } from './scene-config.js';
import { unseenOf } from './unseen.js';
import { episodeFolder, REMAKE } from './write-episode.js';

const FILE = 'moments.json';
const summarySchema = z.looseObject({
  seed: z.number().int(),
  failure: z.string().nullable(),
  moments: z.array(z.unknown()),
});

/** What is said of the moments of a seed beside their folder. */
export interface MomentsSummary {
  readonly seed: number;
  readonly moments: number;
  /** Why there are none; null for a success. */
  readonly failure: string | null;
}

/** Of moments that were made before; null when there are none. @throws InputError `episodes.summary` for a file that is damaged. */
export async function readMoments(out: string, seed: number): Promise<MomentsSummary | null> {
  const file = path.join(episodeFolder(out, seed), FILE);
  if (!existsSync(file)) return null;
  const read = summarySchema.safeParse(await readJsonFile(file, 'episodes.summary', REMAKE));
  if (read.success) return { seed: read.data.seed, moments: read.data.moments.length, failure: read.data.failure };
  throw new InputError({
    code: 'episodes.summary',
    message: `${file} does not hold the moments of an episode: ${z.prettifyError(read.error).replaceAll('\n', ' ')}`,
    remedy: REMAKE,
  });
}

/**
 * Makes the moments of a seed and writes them into a folder of its own: `moments.json`, and for each camera a picture in which those of all moments stand
 * one below the other. One in which the expert failed leaves a `moments.json` without moments. @throws OutputError.
 */
export async function writeMoments(
  arm: Arm,
  config: SceneConfig,
  seed: number,
  out: string,
  options: MomentOptions,
): Promise<MomentsSummary> {
  const folder = episodeFolder(out, seed);
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw outputError(folder, cause);
  }
  const made = await tryToRecord(arm, config, seed, options);
  const isGood = typeof made !== 'string' && made.failure === null && made.moments.length > 0;
  // The description comes last: where it is, everything is.
  if (isGood) {
    for (const [k, { name }] of made.scene.cameras.entries())
      await writeAtomically(
        path.join(folder, `${name}.png`),
        await strip(made.moments.map(({ pictures }) => pictures[k]!)),
      );
  }
  const failure = typeof made === 'string' ? made : (made.failure ?? (isGood ? null : 'no moment of these phases'));
  const described = isGood ? sceneAndMoments(config, made) : { moments: [] };
  await writeAtomically(path.join(folder, FILE), `${JSON.stringify({ seed, failure, ...described })}\n`);
  return { seed, moments: described.moments.length, failure };
}

/** @returns why the expert cannot do it, where it cannot. */
async function tryToRecord(
  arm: Arm,
  config: SceneConfig,
  seed: number,
  options: MomentOptions,
): Promise<Moments | string> {
  try {
    return await recordMoments(arm, config, seed, options);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  }
}

/** Lengths in metres to a tenth of a millimetre, angles in radians to a ten-thousandth; poses as x, y, z and a quaternion w, x, y, z in the arm's base. */
function sceneAndMoments(
  config: SceneConfig,
  { scene, moments }: Moments,
): { readonly moments: readonly object[]; readonly [key: string]: unknown } {
  return {
    templates: config.task.templates,
    task: scene.task,
    objects: scene.objects.map((object) => {
      const { object: isUnseenObject, layout } = unseenOf(config, object);
      return {
        label: object.label,
        geometry: object.geometry,
        halfSize: rounded(object.halfSize),
        // Whatever is trained must leave these alone as things to be moved.
        isHeldOut: isUnseenObject || layout,
      };
    }),
    receptacles: scene.receptacles.map(({ label, position, radius, height, walls }) => ({
      label,
      position: rounded(position),
      radius: round(radius),
      height: round(height),
      walls,
    })),
    cameras: scene.cameras.map(({ name, width, height, verticalFovDeg }) => ({
      name,
      width,
      height,
      focal: height / 2 / Math.tan((verticalFovDeg * Math.PI) / 360),
    })),
    moments: moments.map(({ phase, isHeld, state, objects, cameras, next }) => ({
      phase,
      isHeld,
      state: rounded(state),
      objects: objects.map(poseRow),
      cameras: cameras.map(poseRow),
      next: next.map((commands) => commands && commands.map(rounded)),
    })),
  };
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function rounded(values: readonly number[]): number[] {
  return values.map(round);
}

function poseRow({ translation, rotation: [x, y, z, w] }: Transform): number[] {
  return rounded([...translation, w, x, y, z]);
}

/** Pictures of one size below each other, as a PNG. */
async function strip(pictures: readonly RgbImage[]): Promise<Buffer> {
  const { width, height } = pictures[0]!;
  return sharp(Buffer.concat(pictures.map(({ data }) => data)), {
    raw: { width, height: height * pictures.length, channels: 3 },
  })
    .png({ compressionLevel: 4 })
    .toBuffer();
}
