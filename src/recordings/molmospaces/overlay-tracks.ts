import { InputError } from '../../core/errors.js';
import { readInputFile } from '../../files/input-file.js';
import type { Nanoseconds } from '../../core/time.js';
import type { Pixel, Vector3 } from '../../core/vector.js';
import type { Tensor } from '../../tensors/npy.js';
import { NpzFile } from '../../tensors/npz.js';
import type { PointTracks } from '../../core/point-tracks.js';

/** Ten minutes of a thousand points take 200 MB. */
const MOST_FILE_BYTES = 256 * 2 ** 20;

/** Visibility at and above this counts as visible. */
const VISIBLE = 0.5;

/**
 * Point tracks of the MolmoMotion overlay: `points_3d` (T, N, 3) in the camera's frame, `trajs_2d` (T, N, 2), `visibility` (T, N).
 * @throws InputError `npz.format`, `npz.missing` or `tracks.shape`.
 */
export async function readOverlayTracks(
  file: string,
  camera: string,
  frameId: string,
  stampOf: (step: number) => Nanoseconds,
): Promise<PointTracks> {
  const tensors = new NpzFile(await readInputFile(file, MOST_FILE_BYTES), file);
  const positions = tensors.get('points_3d');
  const visibility = tensors.get('visibility');
  const pixels = tensors.get('trajs_2d');
  const [frames = 0, count = 0] = positions.shape;
  const fits = (tensor: Tensor, ...shape: number[]): boolean => tensor.shape.join() === shape.join();
  if (!fits(positions, frames, count, 3) || !fits(visibility, frames, count) || !fits(pixels, frames, count, 2)) {
    throw new InputError({
      code: 'tracks.shape',
      message: `${file}: points_3d (${positions.shape.join(', ')}), visibility (${visibility.shape.join(', ')}) and trajs_2d (${pixels.shape.join(', ')}) do not fit together`,
      remedy: 'give the overlay of one episode and camera as MolmoMotion writes it',
    });
  }
  const grid = <T>(make: (at: number) => T): T[][] =>
    Array.from({ length: frames }, (_, t) => Array.from({ length: count }, (_unused, n) => make(t * count + n)));
  const value = (tensor: Tensor, at: number): number => Number(tensor.data[at]);
  return {
    camera,
    frameId,
    stamps: Array.from({ length: frames }, (_, t) => stampOf(t)),
    positions: grid((at): Vector3 | null => {
      const p: Vector3 = [value(positions, at * 3), value(positions, at * 3 + 1), value(positions, at * 3 + 2)];
      return p.every(Number.isFinite) ? p : null;
    }),
    visible: grid((at) => value(visibility, at) >= VISIBLE),
    pixels: grid((at): Pixel => [value(pixels, at * 2), value(pixels, at * 2 + 1)]),
    t0: null,
  };
}
