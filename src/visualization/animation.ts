import sharp from 'sharp';

const QUALITY = 60;

/** Pictures of one size (PNG) as an animated WebP that repeats. @param frames at least two. @param stepMs milliseconds of each. */
export async function animationWebp(frames: readonly Buffer[], stepMs: number): Promise<Buffer> {
  return sharp([...frames], { join: { animated: true } })
    .webp({ quality: QUALITY, delay: Math.round(stepMs), loop: 0, effort: 2 })
    .toBuffer();
}
