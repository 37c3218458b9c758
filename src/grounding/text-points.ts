import type { Pixel } from '../core/vector.js';

/** A point that a model named in its answer. */
export interface TextPoint {
  /** Image index, 1-based, or seconds of a video, as the answer has it. */
  readonly frame: number;
  readonly id: number;
  /** Of the picture that was shown. */
  readonly pixel: Pixel;
}

const BLOCK = /<(?:points|tracks).*? coords="([0-9\t:;, .]+)"\/?>/g;
const GROUP = /(?:^|\t|:|,|;)([0-9.]+) ([0-9. ]+)/g;
const POINT = /([0-9]+) ([0-9]{3,4}) ([0-9]{3,4})/g;

/** Coordinates are thousandths of the picture's width and height. */
const SCALE = 1000;

/**
 * Points of Molmo2's answers, `<points coords="1 1 555 169;2 3 649 154 4 709 162">boats</points>` (groups apart by `;`, or by tabs in older
 * models): the reference's expressions, applied in its order. Points outside the picture are left out.
 */
export function parseTextPoints(
  text: string,
  sizeOf: (frame: number) => { readonly width: number; readonly height: number } | undefined,
): TextPoint[] {
  const points: TextPoint[] = [];
  for (const [, groups] of text.matchAll(BLOCK)) {
    for (const [, label, rest] of groups!.matchAll(GROUP)) {
      const frame = Number(label);
      const size = sizeOf(frame);
      if (!size) continue;
      for (const [, id, x, y] of rest!.matchAll(POINT)) {
        const pixel: Pixel = [(Number(x) / SCALE) * size.width, (Number(y) / SCALE) * size.height];
        if (pixel[0] <= size.width && pixel[1] <= size.height) points.push({ frame, id: Number(id), pixel });
      }
    }
  }
  return points;
}
