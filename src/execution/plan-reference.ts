import type { ActionChunk } from '../core/action-chunk.js';
import type { QueuedStep } from './chunk-queue.js';
import type { Reference } from './steering.js';

/** Where the arm was when a chunk began: at so many steps before its first one. */
export interface ChunkOrigin {
  readonly progress: number;
  /** Radians. */
  readonly positions: ArrayLike<number>;
}

/**
 * A chunk as a way over time. Its steps are joined by Catmull-Rom splines, which pass through each step at its time. After its last step the way rests there.
 * Before its first step, the way is a line from where the chunk began: a slowed chunk takes several ticks for it. While one chunk takes over from another,
 * the way lies between those of both.
 */
export class PlanReference implements Reference {
  readonly #step: QueuedStep;
  readonly #origin: ChunkOrigin;
  readonly #leadS: number;
  #other: { readonly positions: Float64Array; readonly velocities: Float64Array } | null = null;

  /** @param leadS from one tick after the step was given out to the end of the curve, seconds. */
  constructor(step: QueuedStep, origin: ChunkOrigin, leadS: number) {
    this.#step = step;
    this.#origin = origin;
    this.#leadS = leadS;
  }

  at(seconds: number, positions: Float64Array, velocities: Float64Array): void {
    const { chunk, progress, stepS, before } = this.#step;
    const later = (this.#leadS + seconds) / stepS;
    const reached = progress + later;
    if (reached < 0 && this.#origin.progress < 0) approach(chunk, this.#origin, reached, stepS, positions, velocities);
    else along(chunk.steps, reached, stepS, positions, velocities);
    if (!before) return;
    const count = positions.length;
    this.#other ??= { positions: new Float64Array(count), velocities: new Float64Array(count) };
    along(before.chunk.steps, before.progress + later, stepS, this.#other.positions, this.#other.velocities);
    const share = Math.min(1, before.share * (1 + Math.max(0, later)));
    for (let j = 0; j < count; j++) {
      positions[j] = share * positions[j]! + (1 - share) * this.#other.positions[j]!;
      velocities[j] = share * velocities[j]! + (1 - share) * this.#other.velocities[j]!;
    }
  }
}

/** On the line from where a chunk began to its first step. */
function approach(
  { steps }: ActionChunk,
  { progress: begun, positions: from }: ChunkOrigin,
  reached: number,
  stepS: number,
  positions: Float64Array,
  velocities: Float64Array,
): void {
  const goal = steps[0]!;
  const share = Math.max(0, reached - begun) / -begun;
  for (let j = 0; j < positions.length; j++) {
    const way = goal[j]! - from[j]!;
    positions[j] = from[j]! + share * way;
    velocities[j] = way / (-begun * stepS);
  }
}

function along(
  steps: readonly (readonly number[])[],
  progress: number,
  stepS: number,
  positions: Float64Array,
  velocities: Float64Array,
): void {
  const last = steps.length - 1;
  const x = Math.max(0, Math.min(last, progress));
  const i = Math.min(Math.floor(x), Math.max(0, last - 1));
  const f = x - i;
  const row = (at: number): readonly number[] => steps[Math.max(0, Math.min(last, at))]!;
  const [r0, r1, r2, r3] = [row(i - 1), row(i), row(i + 1), row(i + 2)];
  const rests = progress >= last || progress < 0;
  for (let j = 0; j < positions.length; j++) {
    const [p0, p1, p2, p3] = [r0[j]!, r1[j]!, r2[j]!, r3[j]!];
    const c1 = (p2 - p0) / 2;
    const c2 = p0 - 2.5 * p1 + 2 * p2 - p3 / 2;
    const c3 = (p3 - p0) / 2 + 1.5 * (p1 - p2);
    positions[j] = p1 + f * (c1 + f * (c2 + f * c3));
    velocities[j] = rests ? 0 : (c1 + f * (2 * c2 + 3 * f * c3)) / stepS;
  }
}
