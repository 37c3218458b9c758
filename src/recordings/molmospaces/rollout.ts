import { z } from 'zod';
import { InputError } from '../../core/errors.js';
import type { JsonRows } from './json-rows.js';
import type { Hdf5File } from './hdf5.js';

/** Values by move group, such as `arm` and `gripper`; empty in a `done` row. */
export type GroupValues = Readonly<Record<string, readonly number[]>>;

/** Row-major 4x4 or 3x4. */
export type PoseRows = readonly (readonly number[])[];

export interface RolloutCamera {
  readonly name: string;
  /** Of the camera model; a video may have been stretched to multiples of 16. */
  readonly width: number;
  readonly height: number;
  /** Row-major K of each step, pixels; the top-left corner of the picture is (0, 0), pixel centres are at halves. */
  readonly intrinsics: readonly (readonly number[])[];
  /** 3x4 world to camera (OpenCV axes) of each step. */
  readonly worldToCamera: readonly PoseRows[];
}

const sceneSchema = z.looseObject({
  task_type: z.string().optional(),
  task_description: z.string(),
  policy_dt_ms: z.number().positive(),
  policy_phases: z.record(z.string(), z.number()).optional(),
});

/** One trajectory of a MolmoSpaces file. Observation row i belongs to action row i + 1. */
export interface Rollout {
  /** Such as `traj_0`. */
  readonly key: string;
  readonly index: number;
  readonly steps: number;
  readonly stepS: number;
  readonly taskDescription: string;
  readonly phaseNames: Readonly<Record<number, string>>;
  readonly phases: readonly number[] | null;
  readonly success: readonly boolean[];
  readonly qpos: JsonRows;
  readonly qvel: JsonRows | null;
  /** Commanded joint targets; row 0 is a dummy, the last row may be the empty `done` row. */
  readonly jointPos: JsonRows;
  /** x y z qw qx qy qz of the robot base (on the floor) in the world, of each step. */
  readonly robotBasePoses: readonly (readonly number[])[] | null;
  readonly cameras: readonly RolloutCamera[];
  /** Names of the video files that the file itself gives. */
  readonly videoNames: ReadonlyMap<string, string>;
}

/** Trajectory keys of a file, in numeric order. */
export function rolloutKeys(file: Hdf5File): readonly string[] {
  return file.keys().filter((key) => /^traj_\d+$/.test(key));
}

/** @throws InputError `rollout.missing` or `rollout.scene` when the trajectory lacks what a replay needs. */
export function readRollout(file: Hdf5File, key: string): Rollout {
  const missing = (name: string): never => {
    throw new InputError({
      code: 'rollout.missing',
      message: `${file.path}: ${key} has no usable ${name}`,
      remedy: `give a MolmoSpaces trajectory; the file holds: ${rolloutKeys(file).join(', ') || 'none'}`,
    });
  };
  if (!file.keys().includes(key)) missing('content');
  const scene = readScene(file, key);
  const qpos = file.jsonRows(`${key}/obs/agent/qpos`) ?? missing('obs/agent/qpos');
  const jointPos = file.jsonRows(`${key}/actions/joint_pos`) ?? missing('actions/joint_pos');
  const base = file.numbers(`${key}/obs/extra/robot_base_pose`);
  const phases = file.numbers(`${key}/obs/extra/policy_phase`);
  const success = file.numbers(`${key}/success`);
  const steps = qpos.values.length;
  return {
    key,
    index: Number(key.slice('traj_'.length)),
    steps,
    stepS: scene.policy_dt_ms / 1000,
    taskDescription: scene.task_description,
    phaseNames: Object.fromEntries(Object.entries(scene.policy_phases ?? {}).map(([name, id]) => [id, name])),
    phases: phases ? [...phases.data] : null,
    success: success ? [...success.data].map((value) => value !== 0) : [],
    qpos,
    qvel: file.jsonRows(`${key}/obs/agent/qvel`),
    jointPos,
    robotBasePoses: base ? rowsOf(base.data, base.shape.at(-1)!) : null,
    cameras: file.keys(`${key}/obs/sensor_param`).map((name) => readCamera(file, key, name, steps)),
    videoNames: new Map(
      file.keys(`${key}/obs/sensor_data`).flatMap((name) => {
        const video = file.text(`${key}/obs/sensor_data/${name}`);
        return video?.endsWith('.mp4') ? [[name, video] as const] : [];
      }),
    ),
  };
}

/** A row of joint values, or null where the row is cut off or empty. */
export function groupValues(rows: JsonRows, row: number): GroupValues | null {
  const value = rows.values[row];
  return value !== null && typeof value === 'object' && Object.keys(value).length > 0 ? (value as GroupValues) : null;
}

/** Observation rows whose action is a move: the first action row and the last row are left out, a `done` row or not. */
export function supervisedObservations(rollout: Rollout): readonly [first: number, last: number] {
  return [0, rollout.steps - 3];
}

function readScene(file: Hdf5File, key: string): z.infer<typeof sceneSchema> {
  const text = file.text(`${key}/obs_scene`);
  // `frozen_config` in it is a pickle, which is code: it is never opened.
  const parsed = sceneSchema.safeParse(text === null ? null : parseJson(text));
  if (parsed.success) return parsed.data;
  throw new InputError({
    code: 'rollout.scene',
    message: `${file.path}: ${key}/obs_scene cannot be used: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`,
    remedy: 'the task text and policy_dt_ms are needed; record the rollout with a current MolmoSpaces',
  });
}

/** Undefined for a text that is cut off. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function readCamera(file: Hdf5File, key: string, name: string, steps: number): RolloutCamera {
  const at = `${key}/obs/sensor_param/${name}`;
  const intrinsics = file.numbers(`${at}/intrinsic_cv`);
  const extrinsics = file.numbers(`${at}/extrinsic_cv`);
  if (intrinsics?.shape.join() !== `${steps},3,3` || extrinsics?.shape.join() !== `${steps},3,4`) {
    throw new InputError({
      code: 'rollout.camera',
      message: `${file.path}: camera ${name} of ${key} lacks intrinsics (${steps}, 3, 3) or extrinsics (${steps}, 3, 4)`,
      remedy: 'record the rollout with its camera parameters',
    });
  }
  const matrices = rowsOf(intrinsics.data, 9);
  const [, , cx = 0, , , cy = 0] = matrices[0] ?? [];
  return {
    name,
    // The principal point is the middle of the picture by construction, and nothing else states its size.
    width: Math.round(2 * cx),
    height: Math.round(2 * cy),
    intrinsics: matrices,
    worldToCamera: rowsOf(extrinsics.data, 12).map((pose) => rowsOf(pose, 4)),
  };
}

function rowsOf(data: ArrayLike<number>, width: number): readonly (readonly number[])[] {
  return Array.from({ length: data.length / width }, (_, row) =>
    Array.from({ length: width }, (_unused, i) => data[row * width + i]!),
  );
}
