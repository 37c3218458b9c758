import sharp from 'sharp';
import type { Vector3 } from '../core/vector.js';
import { cssColor, timeColor } from './colors.js';

export interface PlanPicture {
  /** `points[p]`: way of each point, from t0 on, metres, in the arm's base. */
  readonly points: readonly (readonly (Vector3 | null)[])[];
  /** Way of the tool as it is commanded. */
  readonly tool: readonly Vector3[];
  readonly caption: string;
}

const PANEL = 480;
const BORDER = 60;
const TEXT = 17;
const VIEWS = [
  { name: 'from above', axes: [0, 1], labels: ['x', 'y'] },
  { name: 'from the side', axes: [0, 2], labels: ['x', 'z'] },
] as const;
/** Of 1, 2 and 5 times a power of ten, the largest that fits this part of a panel. */
const RULER = 1 / 4;

/** The forecast points and the planned way of the tool, seen from above and from the side, as PNG on white: coloured lines over time, and a black one. */
export async function planPicturePng(picture: PlanPicture): Promise<Buffer> {
  return sharp(Buffer.from(planPictureSvg(picture)))
    .flatten({ background: 'white' })
    .png()
    .toBuffer();
}

/** The same as SVG without a background. What is not coloured has the colour of the text around it, so that it can be read on dark pages too. */
export function planPictureSvg({ points, tool, caption }: PlanPicture): string {
  const all = [...points.flat().filter((p): p is Vector3 => p !== null), ...tool];
  const panels = VIEWS.map(({ name, axes, labels }, view) => {
    const range = (axis: 0 | 1 | 2): readonly [number, number] => [
      all.reduce((least, p) => Math.min(least, p[axis]), Number.POSITIVE_INFINITY),
      all.reduce((most, p) => Math.max(most, p[axis]), Number.NEGATIVE_INFINITY),
    ];
    const [left, right] = range(axes[0]);
    const [bottom, top] = range(axes[1]);
    const size = Math.max(right - left, top - bottom, 0.01);
    const scale = (PANEL - 2 * BORDER) / size;
    const at = (p: Vector3): string => {
      const x = view * PANEL + PANEL / 2 + (p[axes[0]] - (left + right) / 2) * scale;
      const y = PANEL / 2 - (p[axes[1]] - (bottom + top) / 2) * scale;
      return `${x.toFixed(2)},${y.toFixed(2)}`;
    };
    const line = (a: Vector3, b: Vector3, color: string, width: number): string => {
      const [x1, y1] = at(a).split(',');
      const [x2, y2] = at(b).split(',');
      return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="${width}" stroke-linecap="round"/>`;
    };
    // The first colours of time are nearly as dark as a dark page: an outline tells them from it.
    const outlines = points.map((track) => {
      const seen = track.filter((p): p is Vector3 => p !== null).map(at);
      return `<polyline points="${seen.join(' ')}" fill="none" stroke="currentColor" stroke-opacity="0.35" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>`;
    });
    const tracks = points.flatMap((track) =>
      track.slice(1).map((p, f) => {
        const before = track[f];
        return p && before ? line(before, p, cssColor(timeColor(f / Math.max(1, track.length - 2))), 3) : '';
      }),
    );
    const way = `<polyline points="${tool.map(at).join(' ')}" fill="none" stroke="currentColor" stroke-width="1.5"/>`;
    const dot = (p: Vector3 | undefined, fill: string): string => {
      if (!p) return '';
      const [x, y] = at(p).split(',');
      return `<circle cx="${x}" cy="${y}" r="5" fill="${fill}" stroke="currentColor"/>`;
    };
    const ruler = rulerLength(size * RULER);
    const x = view * PANEL + BORDER / 2;
    const text = (tx: number, ty: number, content: string): string =>
      `<text x="${tx}" y="${ty}" font-family="sans-serif" font-size="${TEXT}" fill="currentColor">${content}</text>`;
    return [
      ...outlines,
      ...tracks,
      way,
      dot(tool[0], 'none'),
      dot(tool.at(-1), 'currentColor'),
      text(x, 48, `${name}: ${labels[0]} to the right, ${labels[1]} up`),
      `<line x1="${x}" y1="${PANEL - 14}" x2="${x + ruler * scale}" y2="${PANEL - 14}" stroke="currentColor" stroke-width="2"/>`,
      text(x, PANEL - 20, `${(100 * ruler).toFixed(ruler < 0.01 ? 1 : 0)} cm`),
    ].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * PANEL}" height="${PANEL}" viewBox="0 0 ${2 * PANEL} ${PANEL}">
    <text x="${BORDER / 2}" y="24" font-family="sans-serif" font-size="${TEXT}" font-weight="bold" fill="currentColor">${escapeXml(caption)}</text>${panels.join('')}</svg>`;
}

function rulerLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((n) => n * power).find((n) => n <= most) ?? power;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
