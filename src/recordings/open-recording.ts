import { open, stat } from 'node:fs/promises';
import { describeError, InputError } from '../core/errors.js';
import { ClipRecording, isClip } from './clip-recording.js';
import { McapRecording } from './mcap/mcap-recording.js';
import { RolloutRecording } from './molmospaces/rollout-recording.js';
import type { Recording } from './recording.js';

const HDF5_MAGIC = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

/**
 * Opens whatever a path holds: an MCAP file or rosbag2 directory, a MolmoSpaces .h5 file (one trajectory of it), or a clip directory.
 * @throws InputError `recording.path` when there is nothing, and what the formats' own readers throw.
 */
export async function openRecording(
  path: string,
  options: { readonly trajectory?: number | undefined } = {},
): Promise<Recording> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (cause) {
    throw new InputError({
      code: 'recording.path',
      message: `${path} cannot be opened: ${describeError(cause)}`,
      remedy: 'check the path',
      cause,
    });
  }
  if (isDirectory) return isClip(path) ? ClipRecording.open(path) : McapRecording.open(path);
  return path.endsWith('.h5') || path.endsWith('.hdf5') || (await startsLikeHdf5(path))
    ? RolloutRecording.open(path, options.trajectory)
    : McapRecording.open(path);
}

async function startsLikeHdf5(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(HDF5_MAGIC.length), 0, HDF5_MAGIC.length, 0);
    return buffer.equals(HDF5_MAGIC);
  } finally {
    await handle.close();
  }
}
