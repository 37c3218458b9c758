import type { RgbImage } from '../core/images.js';
import type { Vector3 } from '../core/vector.js';
import type { ForecastResult } from '../node/forecast-result.js';
import { overlayPng } from '../visualization/overlay.js';

/** A forecast on the picture that it starts from, or on a later one of a camera that has not moved. */
export async function forecastOverlay(
  { observation, query, forecast }: ForecastResult,
  options: {
    readonly image?: RgbImage;
    readonly truth?: readonly (readonly (Vector3 | null)[])[] | null;
    readonly caption?: string;
  } = {},
): Promise<Buffer> {
  const frame = observation.cameras.get(query.camera)!.at(-1)!;
  return overlayPng({
    image: options.image ?? (await frame.color()),
    camera: frame.model,
    query,
    forecast,
    ...(options.truth && { truth: options.truth }),
    caption: options.caption ?? forecast.instruction,
  });
}
