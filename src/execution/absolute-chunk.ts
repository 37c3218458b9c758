import type { ActionChunk } from '../core/action-chunk.js';

/**
 * A chunk whose steps are changes of the joints (`joint_pos_rel`) as one of positions. The published client adds each change to the joints as it
 * measures them then; an arm that does what it is sent is measured where the changes before have led it.
 * @param from joints at the chunk's observation, radians.
 */
export function absoluteChunk(chunk: ActionChunk, from: readonly number[]): ActionChunk {
  let at = from;
  const steps = chunk.steps.map((step) => {
    at = at.map((q, j) => q + step[j]!);
    return [...at, ...step.slice(at.length)];
  });
  return { ...chunk, steps };
}
