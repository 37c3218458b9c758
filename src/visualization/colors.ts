/** red, green, blue in [0, 1]. */
export type Rgb = readonly [number, number, number];

/** Points of the viridis map: near future dark blue, far future yellow; readable without telling red from green. */
const TIME_COLORS: readonly Rgb[] = [
  [0.267, 0.005, 0.329],
  [0.229, 0.322, 0.545],
  [0.128, 0.567, 0.551],
  [0.369, 0.789, 0.383],
  [0.993, 0.906, 0.144],
];

export const REFUSED_COLOR: Rgb = [1, 0, 1];
export const QUERY_COLOR: Rgb = [1, 1, 1];
export const TRUTH_COLOR: Rgb = [1, 0.45, 0.1];

/** Colour of a moment: 0 is now, 1 the end of the forecast. */
export function timeColor(fraction: number): Rgb {
  const at = Math.min(1, Math.max(0, fraction)) * (TIME_COLORS.length - 1);
  const i = Math.min(TIME_COLORS.length - 2, Math.floor(at));
  const mix = (c: 0 | 1 | 2): number => TIME_COLORS[i]![c] + (TIME_COLORS[i + 1]![c] - TIME_COLORS[i]![c]) * (at - i);
  return [mix(0), mix(1), mix(2)];
}

export function cssColor([r, g, b]: Rgb): string {
  return `rgb(${[r, g, b].map((v) => Math.round(v * 255)).join(',')})`;
}
