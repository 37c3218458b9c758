import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { vec3 } from 'gl-matrix';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigurationError, describeError } from '../core/errors.js';
import { installedPath } from '../core/installed-path.js';

const range = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low <= high, 'the first number must not be above the second');
const share = range.refine(([low, high]) => low >= 0 && high <= 1, 'shares lie between 0 and 1');
const positiveRange = range.refine(([low]) => low > 0, 'sizes must be above 0');
const counts = z
  .tuple([z.number().int().positive(), z.number().int().positive()])
  .refine(([low, high]) => low <= high, 'the first number must not be above the second');
const vector = z.tuple([z.number(), z.number(), z.number()]);
const color = z.tuple([z.number().min(0).max(1), z.number().min(0).max(1), z.number().min(0).max(1)]);

const objectShapeSchema = z.strictObject({
  geometry: z.enum(['box', 'cylinder', 'sphere']),
  width: positiveRange,
  depth: positiveRange.optional(),
  height: positiveRange.optional(),
});
const receptacleShapeSchema = z.strictObject({
  walls: z.number().int().min(3),
  width: positiveRange,
  height: positiveRange,
});
const cameraSchema = z
  .strictObject({
    mount: z.enum(['base', 'hand']),
    position: vector,
    forward: vector,
    up: vector,
    verticalFovDeg: z.number().positive().max(170),
    positionJitterM: z.number().nonnegative(),
    rotationJitterDeg: z.number().nonnegative(),
  })
  .refine(
    ({ forward, up }) => vec3.length(vec3.cross([0, 0, 0], forward, up)) > 1e-6,
    'forward and up must be two directions',
  );

export const sceneConfigSchema = z
  .strictObject({
    objects: z.strictObject({ count: counts, shapes: z.record(z.string(), objectShapeSchema), massKg: positiveRange }),
    receptacles: z.strictObject({ count: counts, shapes: z.record(z.string(), receptacleShapeSchema) }),
    colors: z.record(z.string(), color),
    table: z.strictObject({ x: range, y: range, gapM: z.number().nonnegative(), colors: z.array(color).min(1) }),
    arm: z.strictObject({ start: z.array(z.number()).length(7), jitterRad: z.number().nonnegative() }),
    light: z.strictObject({ elevationDeg: range, azimuthDeg: range, ambient: share }),
    cameras: z
      .object({ size: z.tuple([z.number().int().positive(), z.number().int().positive()]) })
      .catchall(cameraSchema)
      .refine(
        (cameras) => Object.keys(cameras).length > 1,
        'there must be at least one camera besides `size`, the size of the pictures',
      ),
    heldOut: z.strictObject({ objects: z.array(z.string()), start: z.strictObject({ x: range, y: range }) }).optional(),
    task: z.strictObject({ templates: z.array(z.string().includes('{object}').includes('{receptacle}')).min(1) }),
  })
  .refine(
    ({ objects, receptacles, colors }) =>
      Object.keys(colors).length >= Math.max(objects.count[1], receptacles.count[1]),
    'there must be at least as many colours as objects, and as receptacles',
  );
/** What scenes are drawn from: the contents of config/scenes/tabletop.yaml. Metres and radians where a name has no unit, in the arm's base frame. */
export type SceneConfig = z.infer<typeof sceneConfigSchema>;

/** One camera of it. */
export type CameraConfig = z.infer<typeof cameraSchema>;

const DEFAULT_FILE = fileURLToPath(new URL('../../config/scenes/tabletop.yaml', import.meta.url));

/** @param file a YAML file; when left out, the one that comes with the software. @throws ConfigurationError `scene.format`. */
export async function loadSceneConfig(file: string = DEFAULT_FILE): Promise<SceneConfig> {
  const fail = (why: string, cause?: unknown): ConfigurationError =>
    new ConfigurationError({
      code: 'scene.format',
      message: `${file} does not describe a scene: ${why}`,
      remedy: `look at ${installedPath('config/scenes/tabletop.yaml')}, which shows every key`,
      cause,
    });
  let data: unknown;
  try {
    data = parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw fail(describeError(cause).split('\n')[0]!, cause);
  }
  const parsed = sceneConfigSchema.safeParse(data);
  if (!parsed.success) throw fail(z.prettifyError(parsed.error).replaceAll('\n', ' '));
  return parsed.data;
}
