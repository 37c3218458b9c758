import { quat, vec3 } from 'gl-matrix';
import { ConfigurationError } from '../core/errors.js';
import { seededRandom } from '../core/random.js';
import type { Vector3 } from '../core/vector.js';
import { opticalRotation } from '../geometry/optical-frame.js';
import type { Transform } from '../geometry/transform.js';
import type { Scene, SceneObject, SceneReceptacle } from './scene.js';
import type { CameraConfig, SceneConfig } from './scene-config.js';
import { unseenOf } from './unseen.js';

/** Attempts to find a free place for one thing before a layout is given up. */
const PLACING_ATTEMPTS = 400;
/** Layouts that are tried for one seed. */
const LAYOUTS = 20;
/** Added to the seed for each further layout: so large that the sum is no seed that a person chooses. */
const LAYOUT_STRIDE = 0x9e3779b9;

/**
 * The scene of a seed. The same seed and configuration give the same scene.
 * @throws ConfigurationError `scene.crowded` when there is not enough room on the table.
 */
export function drawScene(config: SceneConfig, seed: number): Scene {
  return drawLayouts(config, seed, () => true);
}

/**
 * As drawScene, but never with a task that is held out for evaluation.
 * @throws ConfigurationError `scene.crowded`; `scene.held-out` when all tasks are held out.
 */
export function drawTrainingScene(config: SceneConfig, seed: number): Scene {
  return drawLayouts(config, seed, (object) => {
    const unseen = unseenOf(config, object);
    return !unseen.object && !unseen.layout;
  });
}

function drawLayouts(config: SceneConfig, seed: number, mayMove: (object: SceneObject) => boolean): Scene {
  for (let layout = 0; ; layout++) {
    try {
      return drawLayout(config, seed, drawsFrom(seededRandom(seed + layout * LAYOUT_STRIDE)), mayMove);
    } catch (error) {
      // The first things were placed so that no room or no task was left. Another layout may do.
      if (!(error instanceof ConfigurationError) || layout === LAYOUTS - 1) throw error;
    }
  }
}

/** Random choices. Every scene depends on their order: a choice added in the middle changes all scenes. */
interface Draws {
  readonly random: () => number;
  readonly between: (range: readonly [number, number]) => number;
  readonly whole: (range: readonly [number, number]) => number;
  /** Evenly between -size and size. */
  readonly noise: (size: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
  readonly shuffled: <T>(from: readonly T[]) => T[];
  /** A colour that differs a little from the given one. */
  readonly tint: (rgb: Vector3) => Vector3;
}

function drawsFrom(random: () => number): Draws {
  const varied = (share: number): number => Math.min(1, Math.max(0, share + 0.06 * (random() - 0.5)));
  return {
    random,
    between: ([low, high]) => low + (high - low) * random(),
    whole: ([low, high]) => low + Math.floor((high - low + 1) * random()),
    noise: (size) => size * (2 * random() - 1),
    pick: (from) => from[Math.floor(from.length * random())]!,
    shuffled: (from) => {
      const pool = [...from];
      return from.map(() => pool.splice(Math.floor(pool.length * random()), 1)[0]!);
    },
    tint: ([r, g, b]) => [varied(r), varied(g), varied(b)],
  };
}

function drawLayout(config: SceneConfig, seed: number, draws: Draws, mayMove: (object: SceneObject) => boolean): Scene {
  const { between, pick, noise } = draws;
  const place = placer(config, draws.random);
  const receptacles = drawReceptacles(config, draws, place);
  const objects = drawObjects(config, draws, place);
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
    startJoints: config.arm.start.map((q) => q + noise(config.arm.jitterRad)),
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
      pose: jittered(camera, draws),
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

/** Finds a free place on the table for a thing of a radius, metres. */
type Placer = (radius: number) => readonly [x: number, y: number];

function drawReceptacles(config: SceneConfig, draws: Draws, place: Placer): SceneReceptacle[] {
  const { random, between, pick, tint } = draws;
  const colors = draws.shuffled(Object.entries(config.colors));
  return Array.from({ length: draws.whole(config.receptacles.count) }, (_, i): SceneReceptacle => {
    const [shape, { walls, width, height }] = pick(Object.entries(config.receptacles.shapes));
    const [colorName, rgb] = colors[i]!;
    const radius = between(width) / 2;
    // `radius` reaches to the middle of a wall; the corners are further out.
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
}

function drawObjects(config: SceneConfig, draws: Draws, place: Placer): SceneObject[] {
  const { random, between, pick, tint } = draws;
  const colors = draws.shuffled(Object.entries(config.colors));
  return Array.from({ length: draws.whole(config.objects.count) }, (_, i): SceneObject => {
    const [shape, { geometry, width, depth, height }] = pick(Object.entries(config.objects.shapes));
    const [colorName, rgb] = colors[i]!;
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
}

function placer({ table }: SceneConfig, random: () => number): Placer {
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

/** A camera never hangs exactly where its description says. */
function jittered(camera: CameraConfig, { noise }: Draws): Transform {
  // A small rotation about each axis: of its quaternion (x, y, z, 1), x, y and z are half the angles.
  const halfAngle = (): number => noise((camera.rotationJitterDeg * Math.PI) / 360);
  const turn = quat.normalize([0, 0, 0, 1], [halfAngle(), halfAngle(), halfAngle(), 1]);
  const offset = (): number => noise(camera.positionJitterM);
  return {
    translation: vec3.add([0, 0, 0], camera.position, [offset(), offset(), offset()]),
    rotation: quat.multiply(turn, opticalRotation(camera.forward, camera.up), turn),
  };
}
