import sharp, { type Sharp } from 'sharp';
import type { Camera } from '../core/camera.js';
import type { Forecast } from '../core/forecast.js';
import type { RgbImage } from '../core/images.js';
import type { QueryPoints } from '../core/query-points.js';
import type { Pixel, Vector3 } from '../core/vector.js';
import { cssColor, QUERY_COLOR, REFUSED_COLOR, timeColor, TRUTH_COLOR } from './colors.js';

export interface OverlayContent {
  readonly image: RgbImage;
  readonly camera: Camera;
  readonly query: QueryPoints;
  readonly forecast: Forecast | null;
  /** `truth[p][f]` where it is known, drawn as a thin orange line. */
  readonly truth?: readonly (readonly (Vector3 | null)[])[];
  readonly caption: string;
  /** Times as large as the camera's picture; 1 when left out. Lines and text stay sharp. */
  readonly scale?: number;
}

/** The picture at t0 with the query points and their projected paths, as PNG. */
export async function overlayPng(content: OverlayContent): Promise<Buffer> {
  return draw(content).png().toBuffer();
}

/** The same as pixels, for a video. */
export async function overlayPicture(content: OverlayContent): Promise<RgbImage> {
  const { data, info } = await draw(content).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

function draw(content: OverlayContent): Sharp {
  const { width, height, data } = content.image;
  const { scale = 1 } = content;
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: Math.round(width * scale), height: Math.round(height * scale), fit: 'fill' })
    .composite([{ input: Buffer.from(overlaySvg(content, scale)), top: 0, left: 0 }]);
}

/** @param scale the drawing is in the camera's pixels, and shown as many times as large. */
function overlaySvg({ image, camera, query, forecast, truth, caption }: OverlayContent, scale: number): string {
  const { width, height } = image;
  const unit = Math.max(1, (width * scale) / 640) / scale;
  const seen = (track: readonly (Vector3 | null)[]): (Pixel | null)[] => track.map((p) => p && camera.project(p));
  const parts: string[] = [];
  for (const track of truth ?? []) parts.push(...segments(seen(track), () => cssColor(TRUTH_COLOR), unit));
  forecast?.positions.forEach((track, p) => {
    const path = seen([forecast.start[p]!, ...track]);
    parts.push(...segments(path, (f) => cssColor(timeColor(f / Math.max(1, path.length - 1))), 2 * unit));
  });
  for (const { pixel, position } of query.points) {
    if (!pixel.every(Number.isFinite)) continue;
    const color = cssColor(position ? QUERY_COLOR : REFUSED_COLOR);
    parts.push(
      `<circle cx="${pixel[0] + 0.5}" cy="${pixel[1] + 0.5}" r="${2.5 * unit}" fill="${color}" stroke="black" stroke-width="${0.7 * unit}"/>`,
    );
  }
  const text = caption.length > 90 ? `${caption.slice(0, 87)}...` : caption;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.round(width * scale)}" height="${Math.round(height * scale)}" viewBox="0 0 ${width} ${height}">${parts.join('')}
    <rect x="0" y="0" width="${width}" height="${18 * unit}" fill="black" fill-opacity="0.55"/>
    <text x="${5 * unit}" y="${13 * unit}" font-family="sans-serif" font-size="${11 * unit}" fill="white">${escapeXml(text)}</text></svg>`;
}

function segments(path: readonly (Pixel | null)[], color: (f: number) => string, strokeWidth: number): string[] {
  const lines: string[] = [];
  for (let f = 1; f < path.length; f++) {
    const a = path[f - 1];
    const b = path[f];
    if (!a || !b || ![...a, ...b].every((v) => Math.abs(v) < 1e5)) continue;
    lines.push(
      `<line x1="${a[0] + 0.5}" y1="${a[1] + 0.5}" x2="${b[0] + 0.5}" y2="${b[1] + 0.5}" stroke="${color(f)}" stroke-width="${strokeWidth}" stroke-linecap="round"/>`,
    );
  }
  return lines;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/\p{Cc}/gu, ' ');
}
