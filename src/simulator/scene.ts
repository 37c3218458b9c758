import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { quat, vec3 } from 'gl-matrix';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigurationError, describeError } from '../core/errors.js';
import { seededRandom } from '../core/random.js';
import type { Vector3 } from '../core/vector.js';
import { opticalRotation } from '../geometry/optical-frame.js';
import type { Transform } from '../geometry/transform.js';

/** What stands on the table: its description, and one drawn from it. Metres and radians, in the arm's base frame; the table's top is at 0. */

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
      .refine((cameras) => Object.keys(cameras).length > 1, 'there must be a camera beside the size of pictures'),
    heldOut: z.strictObject({ objects: z.array(z.string()), start: z.strictObject({ x: range, y: range }) }).optional(),
    task: z.strictObject({ templates: z.array(z.string().includes('{object}').includes('{receptacle}')).min(1) }),
  })
  .refine(
    ({ objects, receptacles, colors }) =>
      Object.keys(colors).length >= Math.max(objects.count[1], receptacles.count[1]),
    'there must be at least as many colours as objects, and as receptacles',
  );
export type SceneConfig = z.infer<typeof sceneConfigSchema>;

export interface SceneObject {
  /** `object_0`, for MuJoCo. */
  readonly name: string;
  /** `red cube`. */
  readonly label: string;
  readonly geometry: 'box' | 'cylinder' | 'sphere';
  /** Half of its width, depth and height. */
  readonly halfSize: Vector3;
  readonly massKg: number;
  readonly color: Vector3;
  readonly position: Vector3;
  /** About the vertical. */
  readonly yaw: number;
}

export interface SceneReceptacle {
  readonly name: string;
  readonly label: string;
  readonly walls: number;
  readonly radius: number;
  readonly height: number;
  readonly color: Vector3;
  readonly position: Vector3;
  readonly yaw: number;
}

export interface SceneCamera {
  readonly name: string;
  readonly mount: 'base' | 'hand';
  /** Pose of the optical frame in its mount. */
  readonly pose: Transform;
  readonly verticalFovDeg: number;
  readonly width: number;
  readonly height: number;
}

/** One drawn scene with its task. */
export interface Scene {
  readonly seed: number;
  readonly objects: readonly SceneObject[];
  readonly receptacles: readonly SceneReceptacle[];
  readonly tableColor: Vector3;
  readonly startJoints: readonly number[];
  readonly light: { readonly direction: Vector3; readonly ambient: number };
  readonly cameras: readonly SceneCamera[];
  readonly task: Task;
}

export interface Task {
  readonly instruction: string;
  /** Names of things of the scene. */
  readonly object: string;
  readonly receptacle: string;
}

/** What a policy that was trained on this software's episodes has never been asked to move, and where from. */
export interface Unseen {
  readonly object: boolean;
  readonly layout: boolean;
}

const DEFAULT_FILE = fileURLToPath(new URL('../../config/scenes/tabletop.yaml', import.meta.url));
/** Thickness of the walls and the floor of a receptacle. */
export const WALL_M = 0.006;
const PLACING_ATTEMPTS = 400;
const LAYOUTS = 20;
/** Far from the seeds that people choose. */
const LAYOUT_STRIDE = 0x9e3779b9;

/** @param file the scene that comes with the software when left out. @throws ConfigurationError `scene.format`. */
export async function loadSceneConfig(file: string = DEFAULT_FILE): Promise<SceneConfig> {
  const fail = (why: string, cause?: unknown): ConfigurationError =>
    new ConfigurationError({
      code: 'scene.format',
      message: `${file} does not describe a scene: ${why}`,
      remedy: 'look at config/scenes/tabletop.yaml, which shows every key',
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

/**
 * The scene of a seed: the same seed, the same scene.
 * @throws ConfigurationError `scene.crowded` where no room is found for everything.
 */
export function drawScene(config: SceneConfig, seed: number): Scene {
  return drawLayouts(config, seed, () => true);
}

/** The same, without the tasks that are held out for evaluation. @throws ConfigurationError `scene.crowded`, `scene.held-out` where no task is left. */
export function drawTrainingScene(config: SceneConfig, seed: number): Scene {
  return drawLayouts(config, seed, (object) => {
    const unseen = unseenOf(config, object);
    return !unseen.object && !unseen.layout;
  });
}

/** Whether the task of a scene is one that is held out. */
export function unseenIn(config: SceneConfig, { objects, task }: Scene): Unseen {
  return unseenOf(
    config,
    objects.find(({ name }) => name === task.object)!,
  );
}

/** Whether an object is held out as one to be moved. */
export function unseenOf({ heldOut }: SceneConfig, { label, position: [x, y] }: SceneObject): Unseen {
  const isWithin = (value: number, [low, high]: readonly [number, number]): boolean => value >= low && value <= high;
  return {
    object: heldOut?.objects.includes(label) ?? false,
    layout: heldOut !== undefined && isWithin(x, heldOut.start.x) && isWithin(y, heldOut.start.y),
  };
}

function drawLayouts(config: SceneConfig, seed: number, mayMove: (object: SceneObject) => boolean): Scene {
  for (let layout = 0; ; layout++) {
    try {
      return drawLayout(config, seed, seededRandom(seed + layout * LAYOUT_STRIDE), mayMove);
    } catch (error) {
      // Things were put so that no room or no task was left: from the beginning.
      if (!(error instanceof ConfigurationError) || layout === LAYOUTS - 1) throw error;
    }
  }
}

function drawLayout(
  config: SceneConfig,
  seed: number,
  random: () => number,
  mayMove: (object: SceneObject) => boolean,
): Scene {
  const between = ([low, high]: readonly [number, number]): number => low + (high - low) * random();
  const whole = ([low, high]: readonly [number, number]): number => low + Math.floor((high - low + 1) * random());
  const pick = <T>(from: readonly T[]): T => from[Math.floor(from.length * random())]!;
  const shuffled = <T>(from: readonly T[]): T[] => {
    const pool = [...from];
    return from.map(() => pool.splice(Math.floor(pool.length * random()), 1)[0]!);
  };
  const place = placer(config, random);
  const tint = (rgb: Vector3): Vector3 =>
    rgb.map((c) => Math.min(1, Math.max(0, c + 0.06 * (random() - 0.5)))) as unknown as Vector3;

  const receptacleColors = shuffled(Object.entries(config.colors));
  const receptacles = Array.from({ length: whole(config.receptacles.count) }, (_, i): SceneReceptacle => {
    const [shape, { walls, width, height }] = pick(Object.entries(config.receptacles.shapes));
    const [colorName, rgb] = receptacleColors[i]!;
    const radius = between(width) / 2;
    // To its corners.
    const [x, y] = place(radius / Math.cos(Math.PI / walls));
    return {
      name: `receptacle_${i}`,
      label: `${colorName} ${shape}`,
      walls,
      radius,
      height: between(height),
      color: tint(rgb),
      position: [x, y, 0],
      yaw: 2 * Math.PI * random(),
    };
  });
  const objectColors = shuffled(Object.entries(config.colors));
  const objects = Array.from({ length: whole(config.objects.count) }, (_, i): SceneObject => {
    const [shape, { geometry, width, depth, height }] = pick(Object.entries(config.objects.shapes));
    const [colorName, rgb] = objectColors[i]!;
    const w = between(width) / 2;
    const d = depth ? between(depth) / 2 : w;
    const h = geometry === 'sphere' ? w : between(height ?? width) / 2;
    const [x, y] = place(geometry === 'box' ? Math.hypot(w, d) : w);
    return {
      name: `object_${i}`,
      label: `${colorName} ${shape}`,
      geometry,
      halfSize: [w, d, h],
      massKg: between(config.objects.massKg),
      color: tint(rgb),
      position: [x, y, h],
      yaw: 2 * Math.PI * random(),
    };
  });
  const elevation = (between(config.light.elevationDeg) * Math.PI) / 180;
  const azimuth = (between(config.light.azimuthDeg) * Math.PI) / 180;
  const movable = objects.filter(mayMove);
  if (movable.length === 0) {
    throw new ConfigurationError({
      code: 'scene.held-out',
      message: `all ${objects.length} objects of the scene of seed ${seed} are held out`,
      remedy: 'hold out fewer objects, or a smaller region',
    });
  }
  const object = pick(movable);
  const receptacle = pick(receptacles);
  const { size, ...cameras } = config.cameras;
  return {
    seed,
    objects,
    receptacles,
    tableColor: pick(config.table.colors),
    startJoints: config.arm.start.map((q) => q + config.arm.jitterRad * (2 * random() - 1)),
    light: {
      direction: [
        Math.cos(elevation) * Math.cos(azimuth),
        Math.cos(elevation) * Math.sin(azimuth),
        Math.sin(elevation),
      ],
      ambient: between(config.light.ambient),
    },
    cameras: Object.entries(cameras).map(([name, camera]) => ({
      name,
      mount: camera.mount,
      pose: jittered(camera, random),
      verticalFovDeg: camera.verticalFovDeg,
      width: size[0],
      height: size[1],
    })),
    task: {
      instruction: pick(config.task.templates)
        .replace('{object}', object.label)
        .replace('{receptacle}', receptacle.label),
      object: object.name,
      receptacle: receptacle.name,
    },
  };
}

/** Free places on the table for things of a radius. */
function placer({ table }: SceneConfig, random: () => number): (radius: number) => readonly [number, number] {
  const taken: { readonly x: number; readonly y: number; readonly radius: number }[] = [];
  return (radius) => {
    for (let attempt = 0; attempt < PLACING_ATTEMPTS; attempt++) {
      const x = table.x[0] + (table.x[1] - table.x[0]) * random();
      const y = table.y[0] + (table.y[1] - table.y[0]) * random();
      if (taken.some((other) => Math.hypot(x - other.x, y - other.y) < radius + other.radius + table.gapM)) continue;
      taken.push({ x, y, radius });
      return [x, y];
    }
    throw new ConfigurationError({
      code: 'scene.crowded',
      message: `no room was found on the table for ${taken.length + 1} things in ${PLACING_ATTEMPTS} attempts`,
      remedy: 'ask for fewer or smaller objects and receptacles, or a larger table',
    });
  };
}

function jittered(camera: z.infer<typeof cameraSchema>, random: () => number): Transform {
  const noise = (size: number): number => size * (2 * random() - 1);
  const angle = (): number => noise((camera.rotationJitterDeg * Math.PI) / 360);
  const turn = quat.normalize([0, 0, 0, 1], [angle(), angle(), angle(), 1]);
  return {
    translation: camera.position.map((x) => x + noise(camera.positionJitterM)) as unknown as Vector3,
    rotation: quat.multiply(turn, opticalRotation(camera.forward, camera.up), turn),
  };
}
