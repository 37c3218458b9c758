import type { RgbImage } from '../core/images.js';
import type { Vector3 } from '../core/vector.js';
import type { ForecastResult } from '../node/forecast-result.js';
import type { OverlayContent } from '../visualization/overlay.js';

/** A forecast on the picture that it starts from, or on a later one of a camera that has not moved: what `overlayPng` draws. */
export async function forecastOverlay(
  { observation, query, forecast }: ForecastResult,
  options: {
    readonly image?: RgbImage;
    readonly truth?: readonly (readonly (Vector3 | null)[])[] | null;
    readonly caption?: string;
    readonly scale?: number;
  } = {},
): Promise<OverlayContent> {
  const frame = observation.cameras.get(query.camera)!.at(-1)!;
  return {
    image: options.image ?? (await frame.color()),
    camera: frame.model,
    query,
    forecast,
    ...(options.truth && { truth: options.truth }),
    caption: options.caption ?? forecast.instruction,
    ...(options.scale !== undefined && { scale: options.scale }),
  };
}
