import { quat } from 'gl-matrix';
import { InputError, RetryableError } from '../core/errors.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';
import { compose, IDENTITY, interpolate, invert, type Transform } from './transform.js';

interface Sample {
  readonly stamp: Nanoseconds;
  readonly transform: Transform;
}

interface Edge {
  readonly parent: string;
  readonly isStatic: boolean;
  /** Ascending by stamp; one entry for a static edge. */
  readonly samples: Sample[];
}

/** One step down the tree, as carried by tf2_msgs/TFMessage: p_parent = R p_child + t. */
export interface StampedTransform {
  readonly parent: string;
  readonly child: string;
  readonly stamp: Nanoseconds;
  readonly transform: Transform;
}

/**
 * Transforms over time between named frames (tf2's model): linear in translation, slerp in rotation, no extrapolation.
 * Frame names are compared without a leading slash (tf1 senders still write one).
 */
export class TfBuffer {
  readonly #edges = new Map<string, Edge>();
  readonly #cacheNs: Nanoseconds;
  readonly #listeners = new Set<() => void>();

  /** @param cacheS how much history a dynamic transform keeps, seconds (tf2's default is 10). */
  constructor(cacheS = 10) {
    this.#cacheNs = BigInt(Math.round(cacheS * 1e9));
  }

  /** @throws InputError `tf.invalid` for values that are not finite, a zero quaternion, an empty frame name or a frame that is its own parent. */
  set(step: StampedTransform, isStatic: boolean): void {
    const parent = frameName(step.parent);
    const child = frameName(step.child);
    const { translation, rotation } = step.transform;
    if (
      parent === '' ||
      child === '' ||
      parent === child ||
      ![...translation, ...rotation].every(Number.isFinite) ||
      quat.length(rotation) < 1e-6
    ) {
      throw new InputError({
        code: 'tf.invalid',
        message: `transform "${parent}" -> "${child}" (translation [${translation.join(', ')}], rotation [${rotation.join(', ')}]) is not a transform`,
        remedy: 'frames must be named and different, numbers finite, the quaternion not zero; fix its publisher',
      });
    }
    const unit = quat.normalize([0, 0, 0, 1], rotation);
    const sample: Sample = { stamp: step.stamp, transform: { translation, rotation: unit } };
    const edge = this.#edges.get(child);
    if (isStatic || !edge || edge.parent !== parent || edge.isStatic) {
      this.#edges.set(child, { parent, isStatic, samples: [sample] });
    } else {
      insert(edge.samples, sample);
      const oldest = edge.samples.at(-1)!.stamp - this.#cacheNs;
      let expired = 0;
      while (edge.samples[expired]!.stamp < oldest) expired++;
      if (expired > 0) edge.samples.splice(0, expired);
    }
    for (const listener of this.#listeners) listener();
  }

  /** Forgets everything, static transforms too unless told otherwise: after a jump back in time old samples would answer for the new run. */
  clear(options: { readonly keepStatic: boolean }): void {
    for (const [child, edge] of this.#edges) {
      if (!options.keepStatic || !edge.isStatic) this.#edges.delete(child);
    }
  }

  get frames(): readonly string[] {
    return [...new Set([...this.#edges].flatMap(([child, edge]) => [child, edge.parent]))].sort();
  }

  /** The frame at the top of the tree that holds this one. @throws RetryableError `tf.unknown-frame`. */
  rootOf(frame: string): string {
    return this.#chain(frameName(frame)).at(-1)!;
  }

  /**
   * The transform that maps points of `source` into `target` at `stamp`.
   * @throws RetryableError `tf.unknown-frame` or `tf.disconnected` (they may appear); RetryableError `tf.extrapolation` (newer than the samples);
   *   InputError `tf.expired` when `stamp` is older than what is kept.
   */
  lookup(target: string, source: string, stamp: Nanoseconds): Transform {
    const to = this.#chain(frameName(target));
    const from = this.#chain(frameName(source));
    const common = from.find((frame) => to.includes(frame));
    if (common === undefined) {
      throw new RetryableError({
        code: 'tf.disconnected',
        message: `frames "${target}" and "${source}" are not connected (they end at "${to.at(-1)!}" and "${from.at(-1)!}")`,
        remedy: 'publish the missing transform, for example the camera mount (tf2_ros static_transform_publisher)',
      });
    }
    return compose(invert(this.#toAncestor(to, common, stamp)), this.#toAncestor(from, common, stamp));
  }

  /** As lookup, but waits for transforms that have not arrived yet, until `deadline` resolves; then the last reason is thrown. */
  async waitFor(target: string, source: string, stamp: Nanoseconds, deadline: Promise<unknown>): Promise<Transform> {
    // Also a deadline that fails ends the wait; that it may fail after the answer came is nobody's concern.
    const expired = deadline.then(
      () => 'expired' as const,
      () => 'expired' as const,
    );
    for (;;) {
      let wake = (): void => undefined;
      const changed = new Promise<'changed'>((resolve) => {
        wake = () => {
          resolve('changed');
        };
      });
      this.#listeners.add(wake);
      try {
        return this.lookup(target, source, stamp);
      } catch (error) {
        if (!(error instanceof RetryableError) || (await Promise.race([changed, expired])) === 'expired') throw error;
      } finally {
        this.#listeners.delete(wake);
      }
    }
  }

  /** The frame and its ancestors, root last. */
  #chain(frame: string): string[] {
    if (!this.#edges.has(frame) && ![...this.#edges.values()].some((edge) => edge.parent === frame)) {
      throw new RetryableError({
        code: 'tf.unknown-frame',
        message: `frame "${frame}" is not known (known: ${this.frames.slice(0, 20).join(', ') || 'none'})`,
        remedy: 'check the frame name, and that its publisher runs',
      });
    }
    const chain = [frame];
    for (let edge = this.#edges.get(frame); edge; edge = this.#edges.get(edge.parent)) {
      if (chain.includes(edge.parent)) {
        throw new InputError({
          code: 'tf.loop',
          message: `the transform tree has a loop at "${edge.parent}"`,
          remedy: 'two publishers disagree about the parent of a frame; stop one of them',
        });
      }
      chain.push(edge.parent);
    }
    return chain;
  }

  #toAncestor(chain: readonly string[], ancestor: string, stamp: Nanoseconds): Transform {
    let result = IDENTITY;
    for (const frame of chain.slice(0, chain.indexOf(ancestor))) {
      result = compose(this.#at(frame, stamp), result);
    }
    return result;
  }

  #at(child: string, stamp: Nanoseconds): Transform {
    const { samples, isStatic, parent } = this.#edges.get(child)!;
    const first = samples[0]!;
    const last = samples.at(-1)!;
    if (isStatic) return first.transform;
    if (stamp > last.stamp) {
      throw new RetryableError({
        code: 'tf.extrapolation',
        message: `transform "${parent}" -> "${child}" ends ${toSeconds(stamp - last.stamp).toFixed(6)} s before the requested time`,
        remedy: 'wait for newer transforms; if it stays, its publisher stopped or its clock is behind',
      });
    }
    if (stamp < first.stamp) {
      throw new InputError({
        code: 'tf.expired',
        message: `transform "${parent}" -> "${child}" begins ${toSeconds(first.stamp - stamp).toFixed(6)} s after the requested time`,
        remedy: 'the data are older than the transforms kept; check the clocks, or raise the buffer length',
      });
    }
    let low = 0;
    let high = samples.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (samples[middle]!.stamp <= stamp) low = middle;
      else high = middle;
    }
    const before = samples[low]!;
    const after = samples[high]!;
    if (after.stamp === before.stamp) return before.transform;
    return interpolate(
      before.transform,
      after.transform,
      Number(stamp - before.stamp) / Number(after.stamp - before.stamp),
    );
  }
}

function frameName(name: string): string {
  return name.startsWith('/') ? name.slice(1) : name;
}

/** Late samples are put in their place; an equal stamp replaces (the newest word counts). */
function insert(samples: Sample[], sample: Sample): void {
  let at = samples.length;
  while (at > 0 && samples[at - 1]!.stamp > sample.stamp) at--;
  if (at > 0 && samples[at - 1]!.stamp === sample.stamp) samples[at - 1] = sample;
  else samples.splice(at, 0, sample);
}
