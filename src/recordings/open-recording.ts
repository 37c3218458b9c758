import { stat } from 'node:fs/promises';
import { describeError, InputError, PlannerError } from '../core/errors.js';
import { requireFile } from '../files/input-file.js';
import { ClipRecording, isClip } from './clip-recording.js';
import { McapRecording } from './mcap/mcap-recording.js';
import { startsLikeHdf5 } from './molmospaces/hdf5.js';
import { RolloutRecording } from './molmospaces/rollout-recording.js';
import type { Recording } from './recording.js';

/**
 * Opens whatever a path holds: an MCAP file or rosbag2 directory, a MolmoSpaces .h5 file (one trajectory of it), or a clip directory.
 * @throws InputError `recording.path` when there is nothing, and what the formats' own readers throw.
 */
export async function openRecording(
  path: string,
  options: { readonly trajectory?: number | undefined } = {},
): Promise<Recording> {
  try {
    if ((await stat(path)).isDirectory())
      return isClip(path) ? await ClipRecording.open(path) : await McapRecording.open(path);
    await requireFile(path);
    const isHdf5 = path.endsWith('.h5') || path.endsWith('.hdf5') || (await startsLikeHdf5(path));
    return isHdf5 ? await RolloutRecording.open(path, options.trajectory) : await McapRecording.open(path);
  } catch (cause) {
    if (cause instanceof PlannerError) throw cause;
    throw new InputError({
      code: 'recording.path',
      message: `${path} cannot be opened: ${describeError(cause)}`,
      remedy: 'check the path and its permissions',
      cause,
    });
  }
}
