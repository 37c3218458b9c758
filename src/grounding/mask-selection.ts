import type { MaskImage } from '../core/images.js';
import type { Pixel } from '../core/vector.js';

/** Half the side of the square around a pointed pixel in which a mask counts as hit. */
const HIT_RADIUS_PX = 20;

/**
 * Which of several masks a pointed pixel means: the smallest of those with a pixel within 20 px in both axes; all of them when none is hit
 * (process_point_prompts of the published pipeline).
 */
export function selectMasks(masks: readonly MaskImage[], pixel: Pixel): readonly MaskImage[] {
  const [px, py] = [Math.trunc(pixel[0]), Math.trunc(pixel[1])];
  const hit = masks.filter((mask) => {
    for (let y = Math.max(0, py - HIT_RADIUS_PX); y <= Math.min(mask.height - 1, py + HIT_RADIUS_PX); y++) {
      for (let x = Math.max(0, px - HIT_RADIUS_PX); x <= Math.min(mask.width - 1, px + HIT_RADIUS_PX); x++) {
        if (mask.data[y * mask.width + x] !== 0) return true;
      }
    }
    return false;
  });
  if (hit.length === 0) return masks;
  return [hit.reduce((smallest, mask) => (area(mask) < area(smallest) ? mask : smallest))];
}

export function area(mask: MaskImage): number {
  return mask.data.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
}
