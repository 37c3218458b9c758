import { InputError } from '../core/errors.js';
import type { AnswerTokens } from '../core/forecast.js';
import { roundHalfEven } from '../core/rounding.js';
import type { Vector3 } from '../core/vector.js';
import { parseFloatingPoint, parseInteger, PYTHON_SPACE, splitWords } from './python-numbers.js';

/** id and millimetres relative to the anchor, as the text has them. */
export type TrackPoint = readonly [id: bigint, x: bigint, y: bigint, z: bigint];

/** Points by timestamp. Timestamps are frame indices, not seconds: history 0 .. H-1, future H .. H+F-1. */
export type TrackFrames = ReadonlyMap<number, readonly TrackPoint[]>;

/** The model answered, but not in the grammar of tracks: cut off, or something else. */
export class UnparsableAnswerError extends InputError {
  constructor(
    readonly rawText: string,
    readonly tokens?: AnswerTokens,
  ) {
    const start = rawText.length > 80 ? `${rawText.slice(0, 80)}...` : rawText;
    super({
      code: 'forecast.unparsable',
      message: `the answer of ${rawText.length} characters holds no <tracks coords="..."> block: "${start}"`,
      remedy:
        'a long answer that stops early ran out of tokens: allow at least 160 per future step; otherwise look at the raw text',
    });
  }
}

/**
 * Reads `<tracks coords="t id x y z id x y z ...;t ...">`: MolmoMotion's parser, resynchronising by one word where four integers do not follow
 * one another. Later frames of the same timestamp replace earlier ones, even when they hold no point.
 * @throws UnparsableAnswerError where no frame is found; a block without its closing quote is none.
 */
export function parseTracks(text: string): TrackFrames {
  const frames = new Map<number, TrackPoint[]>();
  for (const [, coordinates] of text.matchAll(new RegExp(`<tracks${PYTHON_SPACE}+coords="([^"]*)"`, 'gu'))) {
    for (const frame of coordinates!.split(';')) {
      const words = splitWords(frame);
      if (words.length < 2) continue;
      const timestamp = parseFloatingPoint(words[0]!);
      if (timestamp === null) continue;
      frames.set(timestamp, readPoints(words));
    }
  }
  if (frames.size === 0) throw new UnparsableAnswerError(text);
  return frames;
}

function readPoints(words: readonly string[]): TrackPoint[] {
  const points: TrackPoint[] = [];
  for (let at = 1; at + 4 <= words.length;) {
    const [id, x, y, z] = words.slice(at, at + 4).map(parseInteger) as [
      bigint | null,
      bigint | null,
      bigint | null,
      bigint | null,
    ];
    if (id === null || x === null || y === null || z === null) {
      at++;
      continue;
    }
    points.push([id, x, y, z]);
    at += 4;
  }
  return points;
}

export interface TrackLayout {
  readonly points: number;
  /** History frames H: future step f has the timestamp H + f. */
  readonly history: number;
  readonly horizon: number;
  /** Position of point 1 at t0, metres; coordinates in the text are relative to it. */
  readonly anchor: Vector3;
}

/**
 * `positions[p][f]` in metres, in the frame of the anchor; null where the answer has no such point. (The reference fills the anchor in there,
 * which would put missing points onto point 1.) Arithmetic is float32, as the reference's.
 */
export function trackPositions(frames: TrackFrames, layout: TrackLayout): readonly (readonly (Vector3 | null)[])[] {
  const positions = Array.from({ length: layout.points }, () => new Array<Vector3 | null>(layout.horizon).fill(null));
  const { anchor } = layout;
  for (let f = 0; f < layout.horizon; f++) {
    for (const [id, x, y, z] of frames.get(layout.history + f) ?? []) {
      if (id < 1n || id > BigInt(layout.points)) continue;
      positions[Number(id) - 1]![f] = [metres(x, anchor[0]), metres(y, anchor[1]), metres(z, anchor[2])];
    }
  }
  return positions;
}

function metres(millimetres: bigint, anchor: number): number {
  return Math.fround(Math.fround(Number(millimetres) / 1000) + Math.fround(anchor));
}

/** Text of tracks: frames joined by `;`, each a timestamp and the points it has as `id x y z` in whole millimetres. */
export function formatTracks(
  frames: readonly (readonly [timestamp: number, points: readonly (readonly [id: number, delta: Vector3])[]])[],
  label: string,
): string {
  const text = frames
    .map(([timestamp, points]) =>
      [timestamp.toFixed(1), ...points.flatMap(([id, delta]) => [id, ...delta.map(toMillimetres)])].join(' '),
    )
    .join(';');
  return `<tracks coords="${text}">${label}</tracks>`;
}

/** Metres to whole millimetres, ties to even (Python's round); float64 on the value as given. */
function toMillimetres(metresValue: number): string {
  const rounded = roundHalfEven(metresValue * 1000);
  return (rounded === 0 ? 0 : rounded).toLocaleString('en', { useGrouping: false, maximumFractionDigits: 0 });
}
