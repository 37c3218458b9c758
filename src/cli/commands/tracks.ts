import { Command } from 'commander';
import { InputError } from '../../core/errors.js';
import { filterTracks, PIPELINE_DEFAULTS } from '../../forecasting/tracks/filter-tracks.js';
import { pointMotion, type PointMotion } from '../../forecasting/tracks/point-motion.js';
import { writeAtomically } from '../../files/atomic-file.js';
import type { Tensor } from '../../tensors/npy.js';
import { encodeNpz, NpzFile } from '../../tensors/npz.js';
import { anyNumber, countingNumber, positiveNumber } from '../arguments.js';
import { readBytes } from '../input-file.js';
import { say } from '../terminal.js';

interface SmoothOptions {
  readonly out: string;
  readonly poses?: string;
  readonly objectSizes?: readonly number[];
  readonly zThresh: number;
  readonly anchors: number;
  readonly epsilon: number;
  readonly steps: number;
  readonly lr: number;
  readonly alpha: number;
  readonly lambda: number;
  readonly gatingPower: number;
}

export function tracksCommand(): Command {
  const smooth = new Command('smooth')
    .description('filter and smooth recorded 3-D tracks as the annotation pipeline does')
    .argument(
      '<in.npz>',
      'points_3d (N, T, 3) in metres and visibility (N, T, 1), or the overlay layout (T, N, 3) and (T, N)',
    )
    .requiredOption('--out <file>', 'result: the kept tracks, and weights, drops and groups of all of them')
    .option(
      '--poses <file>',
      'NPZ with data (T, 4, 4), camera to world (default: the cam_poses or pose of the input, else the origin)',
    )
    .option('--object-sizes <n,n,...>', 'number of tracks of each object, in order', (text: string) =>
      text.split(',').map(countingNumber),
    )
    .option(
      '--z-thresh <z>',
      'robust z-score of trust below which a track is dropped',
      anyNumber,
      PIPELINE_DEFAULTS.zThreshold,
    )
    .option('--anchors <n>', 'slow tracks to compare with', countingNumber, PIPELINE_DEFAULTS.anchors)
    .option('--epsilon <metres>', 'added to the scale of the deviations', positiveNumber, PIPELINE_DEFAULTS.epsilon)
    .option('--steps <n>', 'optimiser steps', countingNumber, PIPELINE_DEFAULTS.steps)
    .option('--lr <rate>', 'optimiser step size', positiveNumber, PIPELINE_DEFAULTS.learningRate)
    .option('--alpha <weight>', 'pin to the measured points', positiveNumber, PIPELINE_DEFAULTS.alpha)
    .option('--lambda <weight>', 'regulariser', anyNumber, PIPELINE_DEFAULTS.lambda)
    .option('--gating-power <p>', 'power of the gate on untrusted points', anyNumber, PIPELINE_DEFAULTS.gatingPower)
    .addHelpText(
      'after',
      '\nOutput arrays: points_3d (K, T, 3) float32, NaN where not visible; visibility (K, T, 1); over all N tracks: P_original, P_smoothed (N, T, 3),\nvisibility_all, trust_weights (N, T), keep_mask, drop, sub_object_labels (N), -1 is noise.',
    )
    .action(run);
  return new Command('tracks').description('point tracks over time').addCommand(smooth);
}

async function run(file: string, options: SmoothOptions): Promise<void> {
  const tensors = await readNpz(file);
  const motion = motionOf(tensors, file);
  const centres = await cameraCentres(tensors, options.poses, motion.frames);
  const result = filterTracks(
    motion,
    centres,
    {
      anchors: options.anchors,
      epsilon: options.epsilon,
      zThreshold: options.zThresh,
      steps: options.steps,
      learningRate: options.lr,
      alpha: options.alpha,
      lambda: options.lambda,
      gatingPower: options.gatingPower,
    },
    options.objectSizes,
  );
  const { frames, count } = motion;
  const all = Array.from({ length: count }, (_, n) => n);
  const kept = new Set(result.kept);
  await writeAtomically(
    options.out,
    encodeNpz({
      points_3d: trackMajor(result.smoothed, motion, result.kept, 3),
      visibility: booleans(trackMajor(motion.visible, motion, result.kept, 1), [result.kept.length, frames, 1]),
      P_original: trackMajor(motion.positions, motion, all, 3),
      P_smoothed: trackMajor(result.smoothed, motion, all, 3),
      visibility_all: booleans(trackMajor(motion.visible, motion, all, 1), [count, frames]),
      trust_weights: { ...trackMajor(result.weights, motion, all, 1), shape: [count, frames] },
      keep_mask: { dtype: 'b1', shape: [count], data: Uint8Array.from(all, (n) => (kept.has(n) ? 1 : 0)) },
      drop: { dtype: 'b1', shape: [count], data: Uint8Array.from(all, (n) => (kept.has(n) ? 0 : 1)) },
      sub_object_labels: { dtype: 'i4', shape: [count], data: Int32Array.from(result.labels) },
    }),
  );
  say(
    `${result.kept.length} of ${count} tracks kept in ${result.groups.length} group${result.groups.length === 1 ? '' : 's'}, written to ${options.out}`,
  );
}

async function readNpz(file: string): Promise<NpzFile> {
  return new NpzFile(await readBytes(file), file);
}

/** The pipeline stores tracks first, the overlay frames first; the third axis of visibility tells them apart. */
function motionOf(tensors: NpzFile, file: string): PointMotion {
  const points = tensors.get('points_3d');
  const visibility = tensors.get('visibility');
  const [a = 0, b = 0] = points.shape;
  if (points.shape.length !== 3 || points.shape[2] !== 3 || visibility.shape[0] !== a || visibility.shape[1] !== b) {
    throw new InputError({
      code: 'tracks.shape',
      message: `${file}: points_3d (${points.shape.join(', ')}) and visibility (${visibility.shape.join(', ')}) do not fit together`,
      remedy: 'give points_3d (N, T, 3) with visibility (N, T, 1)',
    });
  }
  const seen = Array.from(visibility.data as Float32Array, (v) => (v >= 0.5 ? 1 : 0));
  const positions = Array.from(points.data as Float32Array, Number);
  if (visibility.shape.length === 2) return pointMotion(a, b, positions, seen);
  return pointMotion(b, a, swapAxes(positions, a, b, 3), swapAxes(seen, a, b, 1));
}

async function cameraCentres(tensors: NpzFile, posesFile: string | undefined, frames: number): Promise<Float64Array> {
  const own = ['cam_poses', 'pose'].find((name) => tensors.has(name));
  if (posesFile === undefined && own === undefined) return new Float64Array(frames * 3);
  const poses = posesFile === undefined ? tensors.get(own!) : (await readNpz(posesFile)).get('data');
  const available = poses.shape[0] ?? 0;
  if (available === 0) return new Float64Array(frames * 3);
  checkPoses(poses, posesFile ?? own!);
  // Poses that end early: the camera is taken to stay where it was.
  return Float64Array.from({ length: frames * 3 }, (_, i) =>
    Number(poses.data[Math.min(Math.floor(i / 3), available - 1) * 16 + (i % 3) * 4 + 3]),
  );
}

/** Rotations that were rounded to float32, or multiplied a few times, are off by less. */
const POSE_TOLERANCE = 1e-2;

/** @throws InputError `tracks.poses` for a matrix that is not the pose of a camera. */
function checkPoses({ shape, data }: Tensor, what: string): void {
  const fail = (why: string): never => {
    throw new InputError({
      code: 'tracks.poses',
      message: `${what} does not hold camera poses: ${why}`,
      remedy: 'give matrices (T, 4, 4) from camera to world, in metres',
    });
  };
  if (shape.length !== 3 || shape[1] !== 4 || shape[2] !== 4) fail(`its shape is (${shape.join(', ')}), not (T, 4, 4)`);
  for (let at = 0; at < data.length; at += 16) {
    const m = Array.from({ length: 16 }, (_, i) => Number(data[at + i]));
    const pose = at / 16;
    if (!m.every(Number.isFinite)) fail(`pose ${pose} holds a number that is not finite`);
    const column = (c: number): [number, number, number] => [m[c]!, m[4 + c]!, m[8 + c]!];
    const [x, y, z] = [column(0), column(1), column(2)];
    const dot = (a: readonly number[], b: readonly number[]): number => a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
    const determinant = dot(x, [y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0]]);
    const off = Math.max(
      ...[x, y, z].map((axis) => Math.abs(dot(axis, axis) - 1)),
      Math.abs(dot(x, y)),
      Math.abs(dot(y, z)),
      Math.abs(dot(z, x)),
      Math.abs(determinant - 1),
      Math.abs(m[12]!) + Math.abs(m[13]!) + Math.abs(m[14]!) + Math.abs(m[15]! - 1),
    );
    if (off > POSE_TOLERANCE) fail(`pose ${pose} is no rotation with a translation (off by ${off.toFixed(3)})`);
  }
}

function trackMajor(
  data: ArrayLike<number>,
  { frames, count }: PointMotion,
  tracks: readonly number[],
  width: number,
): Tensor {
  const out = new Float32Array(tracks.length * frames * width);
  tracks.forEach((n, i) => {
    for (let t = 0; t < frames; t++)
      for (let c = 0; c < width; c++) out[(i * frames + t) * width + c] = data[(t * count + n) * width + c]!;
  });
  return { dtype: 'f4', shape: [tracks.length, frames, width], data: out };
}

function booleans(tensor: Tensor, shape: readonly number[]): Tensor {
  return { dtype: 'b1', shape, data: Uint8Array.from(tensor.data as Float32Array) };
}

function swapAxes(data: readonly number[], rows: number, columns: number, width: number): Float64Array {
  const out = new Float64Array(data.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let k = 0; k < width; k++) out[(c * rows + r) * width + k] = data[(r * columns + c) * width + k]!;
  return out;
}
