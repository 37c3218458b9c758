import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import h5wasm, { File, type Group } from 'h5wasm/node';
import type { DepthImage, RgbImage } from '../../core/images.js';
import { InputError } from '../../core/errors.js';
import { encodeNpz } from '../../tensors/npz.js';
import { outputError, writeAtomically } from '../../files/atomic-file.js';
import { packDepth } from '../video/packed-depth.js';
import { VideoWriter } from '../video/video-writer.js';
import { loadLibrary } from './hdf5.js';
import type { GroupValues, PoseRows } from './rollout.js';

/** One step as it is recorded. Row i of the actions is what was commanded before observation i; row 0 is a dummy. */
export interface RolloutStep {
  readonly qpos: GroupValues;
  readonly qvel: GroupValues;
  readonly commandedAction: GroupValues;
  readonly jointPos: GroupValues;
  readonly jointPosRel: GroupValues;
  readonly eePose: GroupValues;
  readonly eeTwist: GroupValues;
  readonly reward: number;
  readonly success: boolean;
  /** World to camera (3x4) and K (row-major, corner of the picture at 0, 0) by camera. */
  readonly cameras: Readonly<
    Record<
      string,
      {
        readonly worldToCamera: PoseRows;
        readonly intrinsics: readonly number[];
        readonly color: RgbImage;
        readonly depth: DepthImage | null;
      }
    >
  >;
  /** Further numbers by name, such as `policy_phase` (integer) or `robot_base_pose` (7); the same length in every step. */
  readonly extra: Readonly<Record<string, readonly number[]>>;
}

export interface RolloutScene {
  readonly task_type: string;
  readonly task_description: string;
  readonly policy_dt_ms: number;
  readonly policy_phases: Readonly<Record<string, number>>;
  readonly [key: string]: unknown;
}

/** Motion of points on the moved object, in the frame of one camera; `[t][n]`. */
export interface RolloutTracks {
  readonly camera: string;
  readonly positions: readonly (readonly (readonly [number, number, number])[])[];
  readonly pixels: readonly (readonly (readonly [number, number])[])[];
  readonly visible: readonly (readonly boolean[])[];
  readonly intrinsics: readonly number[];
}

/** MolmoSpaces' default width of a JSON row; wider where a value needs it, since cut rows are what readers suffer from. */
const ROW_WIDTH = 2000;
const INTEGER_EXTRAS: ReadonlySet<string> = new Set(['policy_phase', 'policy_num_retries']);
/**
 * Not LZF as the published writer: through this library LZF is mandatory for every chunk, and data that it cannot make smaller are lost with
 * nothing but a printed note. Readers do not see which filter was used.
 */
const GZIP_LEVEL = 4;

/**
 * Writes rollouts in the MolmoSpaces layout: one .h5, a video for each camera, a depth video where there is depth, point tracks as overlay
 * NPZ. Everything is made in a folder beside the target and moved when it is whole. (Booleans are stored as bytes: the HDF5 library has no
 * writer for HDF5's own boolean.)
 */
export class RolloutWriter {
  readonly #folder: string;
  readonly #work: string;
  readonly #suffix: string;
  readonly #file: File;
  #count = 0;

  private constructor(folder: string, work: string, suffix: string, file: File) {
    this.#folder = folder;
    this.#work = work;
    this.#suffix = suffix;
    this.#file = file;
  }

  /** @param suffix of the file names, such as `_batch_1_of_1`. @throws OutputError when the folder cannot be written. */
  static async create(folder: string, suffix: string): Promise<RolloutWriter> {
    await loadLibrary();
    await h5wasm.ready;
    try {
      const work = await mkdtemp(path.join(folder, '.rollouts-'));
      const file = atFixedTime(() => new File(path.join(work, `trajectories${suffix}.h5`), 'w'));
      return new RolloutWriter(folder, work, suffix, file);
    } catch (cause) {
      throw outputError(folder, cause);
    }
  }

  /** @returns the index of the trajectory. @throws InputError `rollout.steps` for no steps. */
  async add(scene: RolloutScene, steps: readonly RolloutStep[], tracks: RolloutTracks | null): Promise<number> {
    const first = steps[0];
    if (!first)
      throw new InputError({
        code: 'rollout.steps',
        message: 'a rollout without steps cannot be written',
        remedy: 'record at least one step',
      });
    const index = this.#count++;
    const key = `traj_${index}`;
    const episode = `episode_${String(index).padStart(8, '0')}`;
    const rows = (name: string, pick: (step: RolloutStep) => unknown): void => {
      this.#rows(`${key}/${name}`, steps.map(pick));
    };
    this.#text(`${key}/obs_scene`, pythonLikeJson(scene));
    rows('obs/agent/qpos', (s) => s.qpos);
    rows('obs/agent/qvel', (s) => s.qvel);
    rows('actions/commanded_action', (s) => s.commandedAction);
    rows('actions/joint_pos', (s) => s.jointPos);
    rows('actions/joint_pos_rel', (s) => s.jointPosRel);
    rows('actions/ee_pose', (s) => s.eePose);
    rows('actions/ee_twist', (s) => s.eeTwist);
    this.#floats(
      `${key}/rewards`,
      steps.map((s) => [s.reward]),
      [],
      Float32Array,
    );
    this.#flags(
      `${key}/success`,
      steps.map((s) => s.success),
    );
    this.#flags(
      `${key}/fail`,
      steps.map((s) => !s.success),
    );
    this.#flags(
      `${key}/terminated`,
      steps.map((_, i) => i === steps.length - 1),
    );
    this.#flags(
      `${key}/truncated`,
      steps.map(() => false),
    );
    for (const name of Object.keys(first.extra)) this.#extra(`${key}/obs/extra/${name}`, name, steps);
    for (const camera of Object.keys(first.cameras)) this.#camera(key, episode, camera, steps, scene.policy_dt_ms);
    if (tracks) await this.#tracks(episode, tracks);
    return index;
  }

  /** Moves everything to its place; the .h5 last, since readers start from it. */
  async commit(): Promise<void> {
    atFixedTime(() => this.#file.close());
    try {
      const names = (await readdir(this.#work)).sort((a, b) => Number(a.endsWith('.h5')) - Number(b.endsWith('.h5')));
      for (const name of names) await rename(path.join(this.#work, name), path.join(this.#folder, name));
    } catch (cause) {
      throw outputError(this.#folder, cause);
    } finally {
      await rm(this.#work, { recursive: true, force: true });
    }
  }

  async abort(): Promise<void> {
    this.#file.close();
    await rm(this.#work, { recursive: true, force: true });
  }

  #camera(key: string, episode: string, camera: string, steps: readonly RolloutStep[], stepMs: number): void {
    const of = (step: RolloutStep): RolloutStep['cameras'][string] => step.cameras[camera]!;
    const at = `${key}/obs/sensor_param/${camera}`;
    const poses = steps.map((s) => of(s).worldToCamera);
    this.#floats(
      `${at}/extrinsic_cv`,
      poses.map((p) => p.flat()),
      [3, 4],
      Float64Array,
    );
    this.#floats(`${at}/cam2world_gl`, poses.map(cameraToWorld), [4, 4], Float64Array);
    this.#floats(
      `${at}/intrinsic_cv`,
      steps.map((s) => of(s).intrinsics),
      [3, 3],
      Float64Array,
    );
    const { color, depth } = of(steps[0]!);
    const colorName = `${episode}_${camera}${this.#suffix}.mp4`;
    const colorVideo = new VideoWriter(path.join(this.#work, colorName), 'color', color.width, color.height, stepMs);
    for (const step of steps) colorVideo.add(of(step).color);
    colorVideo.close();
    this.#name(`${key}/obs/sensor_data/${camera}`, colorName);
    if (!depth) return;
    const depthName = `${episode}_${camera}_depth${this.#suffix}.mp4`;
    const depthVideo = new VideoWriter(
      path.join(this.#work, depthName),
      'packed-depth',
      depth.width,
      depth.height,
      stepMs,
    );
    for (const step of steps) depthVideo.add(packed(of(step).depth!));
    depthVideo.close();
    this.#name(`${key}/obs/sensor_data/${camera}_depth`, depthName);
  }

  async #tracks(episode: string, { camera, positions, pixels, visible, intrinsics }: RolloutTracks): Promise<void> {
    const frames = positions.length;
    const count = positions[0]?.length ?? 0;
    // The points are in the camera's frame already.
    const identity = Float32Array.from({ length: frames * 16 }, (_, i) => ((i % 16) % 5 === 0 ? 1 : 0));
    await writeAtomically(
      path.join(this.#work, `${episode}_${camera}_point_tracks.npz`),
      encodeNpz({
        trajs_2d: { dtype: 'f4', shape: [frames, count, 2], data: Float32Array.from(pixels.flat(2)) },
        visibility: {
          dtype: 'f4',
          shape: [frames, count],
          data: Float32Array.from(visible.flat(), (v) => (v ? 1 : 0)),
        },
        points_3d_initial: { dtype: 'f4', shape: [count, 3], data: Float32Array.from(positions[0]?.flat() ?? []) },
        points_3d: { dtype: 'f4', shape: [frames, count, 3], data: Float32Array.from(positions.flat(2)) },
        body_ids: { dtype: 'i4', shape: [count], data: new Int32Array(count) },
        intrinsics: { dtype: 'f4', shape: [3, 3], data: Float32Array.from(intrinsics) },
        cam_poses: { dtype: 'f4', shape: [frames, 4, 4], data: identity },
        num_sampled_from: { dtype: 'i4', shape: [], data: Int32Array.of(count) },
      }),
    );
  }

  #extra(name: string, key: string, steps: readonly RolloutStep[]): void {
    const rows = steps.map((step) => step.extra[key]!);
    if (INTEGER_EXTRAS.has(key)) {
      this.#dataset(
        name,
        BigInt64Array.from(rows.flat(), (v) => BigInt(v)),
        [rows.length],
      );
    } else {
      this.#floats(name, rows, rows[0]!.length === 1 ? [] : [rows[0]!.length], Float32Array);
    }
  }

  #rows(name: string, values: readonly unknown[]): void {
    const texts = values.map((value) => Buffer.from(pythonLikeJson(value)));
    const width = Math.max(ROW_WIDTH, ...texts.map((text) => text.length));
    const data = new Uint8Array(values.length * width);
    texts.forEach((text, row) => {
      data.set(text, row * width);
    });
    this.#dataset(name, data, [values.length, width]);
  }

  /** Video file names are 100 zero-padded bytes. */
  #name(name: string, file: string): void {
    const data = new Uint8Array(100);
    data.set(Buffer.from(file).subarray(0, 100));
    this.#dataset(name, data, [100]);
  }

  #floats(
    name: string,
    rows: readonly (readonly number[])[],
    shape: readonly number[],
    type: typeof Float32Array | typeof Float64Array,
  ): void {
    this.#dataset(name, type.from(rows.flat()), [rows.length, ...shape]);
  }

  #flags(name: string, values: readonly boolean[]): void {
    this.#dataset(
      name,
      Uint8Array.from(values, (v) => (v ? 1 : 0)),
      [values.length],
    );
  }

  #text(name: string, text: string): void {
    atFixedTime(() => this.#groupOf(name).create_dataset({ name: path.posix.basename(name), data: text }));
  }

  #dataset(name: string, data: Uint8Array | Float32Array | Float64Array | BigInt64Array, shape: number[]): void {
    atFixedTime(() =>
      this.#groupOf(name).create_dataset({
        name: path.posix.basename(name),
        data,
        shape,
        chunks: shape,
        compression: 'gzip',
        compression_opts: GZIP_LEVEL,
      }),
    );
  }

  #groupOf(name: string): Group {
    let group: Group = this.#file;
    for (const part of path.posix.dirname(name).split('/')) {
      group = group.keys().includes(part) ? (group.get(part) as Group) : group.create_group(part);
    }
    return group;
  }
}

/**
 * HDF5 stamps every object with the time of day, and this library has no switch for it: the same episode would be another file each time. The work is
 * synchronous, so nobody else sees the clock stand still.
 */
function atFixedTime<T>(work: () => T): T {
  const { now } = Date;
  Date.now = () => 0;
  try {
    return work();
  } finally {
    Date.now = now;
  }
}

/** Keys in order and no spaces, as the published writer's json.dumps. */
function pythonLikeJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}

function packed({ width, height, data }: DepthImage): RgbImage {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const code = packDepth(data[i]!);
    out[i * 3] = code >> 8;
    out[i * 3 + 1] = code & 255;
  }
  return { width, height, data: out };
}

/** Inverse of a rigid 3x4, as 16 numbers. */
function cameraToWorld(pose: PoseRows): readonly number[] {
  const column = (c: number): readonly number[] => [0, 1, 2].map((r) => pose[r]![c]!);
  const t = column(3);
  const rows = [0, 1, 2].map((c) => {
    const axis = column(c);
    return [...axis, -axis.reduce((sum, value, r) => sum + value * t[r]!, 0)];
  });
  return [...rows.flat(), 0, 0, 0, 1];
}
