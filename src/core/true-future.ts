import type { Forecast } from './forecast.js';
import { trackRow, type PointTracks } from './point-tracks.js';
import { fromSeconds } from './time.js';
import type { Vector3 } from './vector.js';

/** `positions[p][f]`: where the tracks behind a forecast really went; null where the recording does not know or does not see it. */
export function trueFuture(
  tracks: PointTracks,
  indices: readonly number[],
  forecast: Forecast,
): readonly (readonly (Vector3 | null)[])[] {
  const steps = forecast.positions[0]?.length ?? 0;
  const rows = Array.from({ length: steps }, (_, f) =>
    trackRow(tracks, forecast.stamp + fromSeconds((f + 1) * forecast.stepS)),
  );
  return indices.map((n) =>
    rows.map((row) => (row !== null && tracks.visible[row]![n] === true ? (tracks.positions[row]![n] ?? null) : null)),
  );
}
