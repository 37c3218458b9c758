import sharp from 'sharp';
import type { RgbImage } from '../core/images.js';
import type { Pixel } from '../core/vector.js';
import { cssColor, timeColor } from './colors.js';

export interface PictureWithPoints {
  readonly image: RgbImage;
  readonly points: readonly { readonly id: number; readonly pixel: Pixel }[];
}

/** Objects have the colours of the time scale in turn, so that neighbouring numbers differ well. */
const COLORS = 5;

/** The pictures beside each other from left to right, each with its points as numbered rings, as PNG. An object has one colour in all of them. */
export async function pointsPicturePng(pictures: readonly PictureWithPoints[]): Promise<Buffer> {
  const lefts = pictures.map((_, i) => pictures.slice(0, i).reduce((sum, { image }) => sum + image.width, 0));
  const width = pictures.reduce((sum, { image }) => sum + image.width, 0);
  const height = Math.max(...pictures.map(({ image }) => image.height));
  const rings = pictures.flatMap(({ image, points }, i) =>
    points.map(({ id, pixel: [x, y] }) => ring(id, [lefts[i]! + x, y], Math.max(1, image.width / 640))),
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${rings.join('')}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: 'white' } })
    .composite([
      ...pictures.map(({ image }, i) => ({
        input: Buffer.from(image.data),
        raw: { width: image.width, height: image.height, channels: 3 as const },
        left: lefts[i]!,
        top: 0,
      })),
      { input: Buffer.from(svg), left: 0, top: 0 },
    ])
    .png()
    .toBuffer();
}

/** @param unit pixels of a line that is as wide as in a picture of 640 pixels. */
function ring(id: number, [x, y]: Pixel, unit: number): string {
  const color = cssColor(timeColor((id % COLORS) / (COLORS - 1)));
  const circle = `cx="${x}" cy="${y}" r="${6 * unit}" fill="none"`;
  return (
    `<circle ${circle} stroke="black" stroke-width="${4 * unit}"/><circle ${circle} stroke="${color}" stroke-width="${2 * unit}"/>` +
    `<text x="${x + 9 * unit}" y="${y - 5 * unit}" font-family="sans-serif" font-size="${14 * unit}" fill="white" stroke="black" stroke-width="${3 * unit}" paint-order="stroke">${id}</text>`
  );
}
