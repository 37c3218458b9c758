import type { Arm } from '../core/arm.js';

export interface Trace {
  readonly timeS: number;
  readonly positions: readonly number[];
}

const PANEL = { width: 300, height: 96, left: 44, top: 18, right: 8, bottom: 16 } as const;
const COLUMNS = 2;

/**
 * Positions of all joints over time between their limits, as SVG: what was commanded (line) and what was measured (dots), radians; and the largest
 * share of its velocity limit that each was commanded.
 */
export function jointTracesSvg(arm: Arm, commanded: readonly Trace[], measured: readonly Trace[]): string {
  const lastS = Math.max(0.1, ...[...commanded, ...measured].map(({ timeS }) => timeS));
  const rows = Math.ceil(arm.joints.length / COLUMNS);
  const panels = arm.joints.map(({ lower, upper, velocity }, j) => {
    const left = (j % COLUMNS) * PANEL.width + PANEL.left;
    const top = Math.floor(j / COLUMNS) * PANEL.height + PANEL.top;
    const width = PANEL.width - PANEL.left - PANEL.right;
    const height = PANEL.height - PANEL.top - PANEL.bottom;
    const x = (timeS: number): string => (left + (width * timeS) / lastS).toFixed(1);
    const y = (q: number): string => (top + (height * (upper - q)) / (upper - lower)).toFixed(1);
    const line = commanded.map(({ timeS, positions }) => `${x(timeS)},${y(positions[j]!)}`).join(' ');
    const dots = measured
      .filter((_, i) => i % 3 === 0)
      .map(({ timeS, positions }) => `<circle cx="${x(timeS)}" cy="${y(positions[j]!)}" r="1.2"/>`);
    const label = (tx: number, ty: number, anchor: string, content: string): string =>
      `<text x="${tx}" y="${ty}" text-anchor="${anchor}" font-size="10" fill="currentColor">${content}</text>`;
    return [
      `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="currentColor" stroke-opacity="0.35"/>`,
      label(left, top - 5, 'start', `joint ${j + 1}`),
      label(
        left + width,
        top - 5,
        'end',
        `fastest ${(100 * fastest(commanded, j, velocity)).toFixed(0)} % of its limit`,
      ),
      label(left - 4, top + 9, 'end', upper.toFixed(2)),
      label(left - 4, top + height, 'end', lower.toFixed(2)),
      `<g fill="#e6731a">${dots.join('')}</g>`,
      `<polyline points="${line}" fill="none" stroke="#3b7dd8" stroke-width="1.4"/>`,
    ].join('');
  });
  const height = rows * PANEL.height + 14;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * PANEL.width} ${height}" font-family="sans-serif">${panels.join('')}
    <text x="${PANEL.left}" y="${height - 4}" font-size="10" fill="currentColor">0 to ${lastS.toFixed(1)} s; frames are the position limits, radians; blue: commanded, orange: measured</text></svg>`;
}

/** Share of the joint's velocity limit. Two commands at one time tell no velocity. */
function fastest(commanded: readonly Trace[], joint: number, limit: number): number {
  return commanded.slice(1).reduce((most, { timeS, positions }, i) => {
    const before = commanded[i]!;
    const seconds = timeS - before.timeS;
    if (!(seconds > 0)) return most;
    return Math.max(most, Math.abs(positions[joint]! - before.positions[joint]!) / seconds / limit);
  }, 0);
}
