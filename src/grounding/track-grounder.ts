import { InputError } from '../core/errors.js';
import { trackRow, type PointTracks } from '../core/point-tracks.js';
import { seededRandom } from '../core/random.js';
import type { QueryPoint, QueryPoints } from '../core/query-points.js';
import type { Nanoseconds } from '../core/time.js';
import type { Grounder, GroundingRequest } from './grounder.js';

export interface TrackGrounderOptions {
  readonly points: number;
  readonly seed: number;
}

/** Query points from known tracks of a recording: a clip's own points, or points drawn from those visible over the whole history. */
export class TrackGrounder implements Grounder {
  readonly name = 'tracks';
  readonly #tracks: PointTracks;
  readonly #options: TrackGrounderOptions;

  constructor(tracks: PointTracks, options: TrackGrounderOptions) {
    this.#tracks = tracks;
    this.#options = options;
  }

  ground({ window }: GroundingRequest): Promise<QueryPoints | null> {
    return Promise.resolve().then(() => {
      const last = window.at(-1)!;
      // The positions are in the frame of the camera that saw them.
      if (last.camera !== this.#tracks.camera) return null;
      // A clip asks about one moment.
      if (this.#tracks.t0 !== null && this.#row(last.stamp) !== this.#tracks.t0) return null;
      const rows = window.map((frame) => this.#row(frame.stamp));
      const tracks = this.#choose(rows);
      const t0 = rows.at(-1)!;
      const points: QueryPoint[] = tracks.map((n) => ({
        pixel: this.#tracks.pixels?.[t0]?.[n] ??
          last.model.project(this.#tracks.positions[t0]![n]!) ?? [Number.NaN, Number.NaN],
        position: this.#tracks.positions[t0]![n]!,
      }));
      return {
        camera: last.camera,
        frameId: last.frameId,
        stamp: last.stamp,
        points,
        history: rows.map((row) =>
          tracks.map((n) => (this.#tracks.visible[row]![n] ? this.#tracks.positions[row]![n]! : null)),
        ),
        historyStamps: window.map((frame) => frame.stamp),
        tracks,
      };
    });
  }

  /** Indices of the tracks to ask about, in their order, for history rows of which the last is t0. */
  #choose(rows: readonly number[]): readonly number[] {
    const { points, seed } = this.#options;
    const all = this.#tracks.positions[0]!.map((_, n) => n);
    const usable = all.filter((n) =>
      rows.every((row) => this.#tracks.visible[row]![n] === true && this.#tracks.positions[row]![n] !== null),
    );
    // A clip was made for exactly these points, in this order.
    if (this.#tracks.t0 !== null && usable.length === all.length) return all;
    if (usable.length < points) {
      throw new InputError({
        code: 'grounding.few-tracks',
        message: `only ${usable.length} of ${all.length} tracked points are visible over the history, ${points} are needed`,
        remedy: 'wait until the object is seen again, or ask for fewer points',
      });
    }
    const random = seededRandom(seed);
    const pool = [...usable];
    return Array.from({ length: points }, () => pool.splice(Math.floor(random() * pool.length), 1)[0]!);
  }

  /** The row of the tracks at a stamp. @throws InputError `grounding.no-track` when none is near. */
  #row(stamp: Nanoseconds): number {
    const row = trackRow(this.#tracks, stamp);
    if (row !== null) return row;
    throw new InputError({
      code: 'grounding.no-track',
      message: 'the tracks of the recording do not cover this picture',
      remedy: 'use tracks of the same episode',
    });
  }
}
