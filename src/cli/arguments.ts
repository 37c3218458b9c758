import { InvalidArgumentError } from 'commander';
import type { Shard } from '../evaluation/shards.js';
import type { Pixel, Vector3 } from '../core/vector.js';

/** Readers of option values; commander prints what they refuse. */

export function wholeNumber(text: string): number {
  const value = digits(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('a whole number of 0 or more is needed.');
  return value;
}

export function countingNumber(text: string): number {
  const value = digits(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number of 1 or more is needed.');
  return value;
}

/** More episodes than this are no evaluation and no training set, but a slip of the finger. */
const MOST_EPISODES = 1_000_000;

export function episodeCount(text: string): number {
  const value = countingNumber(text);
  if (value > MOST_EPISODES) throw new InvalidArgumentError(`at most ${MOST_EPISODES} episodes can be asked for.`);
  return value;
}

/** More query points than this are no question that a model was made for, and take minutes to choose. */
const MOST_POINTS = 1000;

export function pointCount(text: string): number {
  const value = countingNumber(text);
  if (value > MOST_POINTS) throw new InvalidArgumentError(`at most ${MOST_POINTS} points can be asked for.`);
  return value;
}

/** How many tokens are guessed in a pass. */
export function draftLength(text: string): number | 'off' {
  return text === 'off' ? 'off' : countingNumber(text);
}

function digits(text: string): number {
  return /^\s*\d+\s*$/.test(text) ? Number(text) : Number.NaN;
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('a number above 0 is needed.');
  return value;
}

export function notNegative(text: string): number {
  const value = anyNumber(text);
  if (value < 0) throw new InvalidArgumentError('a number of 0 or above is needed.');
  return value;
}

export function anyNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('a number is needed.');
  return value;
}

export function pixel(text: string): Pixel {
  const parts = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parts.length !== 2 || !parts.every(Number.isFinite))
    throw new InvalidArgumentError('give two numbers, X,Y in pixels.');
  return [parts[0]!, parts[1]!];
}

/** `T,T,...`, seconds. */
export function times(text: string): readonly number[] {
  const parts = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (!parts.every(Number.isFinite)) throw new InvalidArgumentError('give numbers, T,T,... in seconds.');
  return parts;
}

/** `X,Y`; may be given several times. */
export function clicks(text: string, earlier: readonly Pixel[] = []): readonly Pixel[] {
  return [...earlier, pixel(text)];
}

/** `X,Y,Z` */
export function vector(text: string): Vector3 {
  const parts = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parts.length !== 3 || !parts.every(Number.isFinite))
    throw new InvalidArgumentError('give three numbers, X,Y,Z in metres.');
  return [parts[0]!, parts[1]!, parts[2]!];
}

export interface CameraClick {
  readonly camera?: string;
  readonly pixel: Pixel;
}

/** `X,Y` or `CAMERA:X,Y`; may be given several times. */
export function cameraClick(text: string, earlier: readonly CameraClick[] = []): readonly CameraClick[] {
  const at = text.lastIndexOf(':');
  return [...earlier, { ...(at >= 0 && { camera: text.slice(0, at) }), pixel: pixel(text.slice(at + 1)) }];
}

/** `NAME=RECORDED`; may be given several times. */
export function cameraName(
  text: string,
  earlier: readonly (readonly [string, string])[] = [],
): readonly (readonly [string, string])[] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError("give NAME=RECORDED, the policy's name first.");
  return [...earlier, [text.slice(0, at), text.slice(at + 1)]];
}

/** `K/N`, K from 1. */
export function shard(text: string): Shard {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const found = { index: Number(index), of: Number(of) };
  if (found.index >= 1 && found.index <= found.of) return found;
  throw new InvalidArgumentError('K/N is needed, such as 1/4: part K of N, from 1.');
}
