import { liftedPoints, type QueryPoint, type QueryPoints } from '../core/query-points.js';
import type { Nanoseconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { InputError } from '../core/errors.js';
import { compose, transformPoint } from '../geometry/transform.js';
import type { Grounder, GroundingRequest } from './grounder.js';

export interface HeldObjectOptions {
  /** When the gripper had closed around the object; null while it holds nothing. */
  readonly heldSince: () => Nanoseconds | null;
  /** Frame that moves with the gripper, and one that does not. */
  readonly handFrame: string;
  readonly fixedFrame: string;
}

/** Of the points that were asked for: with fewer than this share in sight, those that went with the hand are better known. */
const LEAST_SEEN = 0.75;

/**
 * Query points on an object that disappears in the gripper: while another grounder sees too little of it, the points that were last seen go with the
 * hand, which holds them, by its forward kinematics.
 */
export class HeldObjectGrounder implements Grounder {
  readonly name: string;
  readonly #inner: Grounder;
  readonly #options: HeldObjectOptions;
  /** As seen best before the gripper closed, in the fixed frame. */
  #seen: readonly Vector3[] = [];
  /** The same in the hand's frame, since it closed. */
  #held: readonly Vector3[] | null = null;
  #instruction: string | null = null;

  constructor(inner: Grounder, options: HeldObjectOptions) {
    this.name = inner.name;
    this.#inner = inner;
    this.#options = options;
  }

  /** Rejects as the other grounder does, while nothing is held. */
  async ground(request: GroundingRequest): Promise<QueryPoints | null> {
    const { handFrame, fixedFrame } = this.#options;
    const t0 = request.window.at(-1)!;
    const since = this.#options.heldSince();
    if (since === null) {
      // Let go of, it may be anywhere; and another task is about another one.
      if (this.#held || this.#instruction !== request.instruction) this.#seen = [];
      this.#instruction = request.instruction;
      this.#held = null;
      const query = await this.#inner.ground(request);
      const points = query ? liftedPoints(query) : [];
      // The hand on its way down hides more and more of it.
      if (query && (isWellSeen(query) || points.length >= this.#seen.length)) {
        const pose = request.lookup(fixedFrame, t0.frameId, t0.stamp);
        this.#seen = points.map(({ position }) => transformPoint(pose, position));
      }
      return query;
    }
    if (!this.#held) {
      const intoHand = request.lookup(handFrame, fixedFrame, since);
      this.#held = this.#seen.map((point) => transformPoint(intoHand, point));
    }
    const query = await this.#lookAgain(request);
    if (query && isWellSeen(query)) return query;
    return this.#held.length > 0 ? this.#withTheHand(request, this.#held) : query;
  }

  /** Null where it is hidden. */
  async #lookAgain(request: GroundingRequest): Promise<QueryPoints | null> {
    try {
      return await this.#inner.ground(request);
    } catch (error) {
      if (error instanceof InputError) return null;
      throw error;
    }
  }

  #withTheHand({ window, lookup }: GroundingRequest, held: readonly Vector3[]): QueryPoints {
    const { handFrame, fixedFrame } = this.#options;
    const t0 = window.at(-1)!;
    const intoCamera = lookup(t0.frameId, fixedFrame, t0.stamp);
    const at = (stamp: Nanoseconds): Vector3[] => {
      const pose = compose(intoCamera, lookup(fixedFrame, handFrame, stamp));
      return held.map((point) => transformPoint(pose, point));
    };
    const history = window.map(({ stamp }) => at(stamp));
    return {
      camera: t0.camera,
      frameId: t0.frameId,
      stamp: t0.stamp,
      points: history
        .at(-1)!
        .map((position): QueryPoint => ({ pixel: t0.model.project(position) ?? [Number.NaN, Number.NaN], position })),
      history,
      historyStamps: window.map(({ stamp }) => stamp),
      tracks: null,
    };
  }
}

function isWellSeen(query: QueryPoints): boolean {
  return liftedPoints(query).length >= LEAST_SEEN * query.points.length;
}
