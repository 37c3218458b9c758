import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import type { MaskImage } from '../../src/core/images.js';
import { CameraModel } from '../../src/geometry/camera-model.js';
import { kmeansPoints } from '../../src/grounding/kmeans-points.js';
import { liftClicks, liftMask } from '../../src/grounding/lift-points.js';
import { selectMasks } from '../../src/grounding/mask-selection.js';
import { growRegion } from '../../src/grounding/region-growing.js';
import { decodeColorFile } from '../../src/sensing/color-image.js';
import { decodeDepthFile } from '../../src/sensing/depth-image.js';
import { decodeNpy } from '../../src/tensors/npy.js';
import { describeShared, sharedJson, sharedPath } from '../golden/shared.js';

const folder = 'golden/tracks/query_points';
const npy = (name: string): any => decodeNpy(readFileSync(sharedPath(folder, name)));
const maskOf = (name: string): MaskImage => {
  const { shape, data } = npy(name);
  return { height: shape[0], width: shape[1], data };
};

describeShared('query points of masks as the pipeline draws them', `${folder}/expected.json`, () => {
  const golden = sharedJson<any>(folder, 'expected.json');
  it.each(Object.entries<any>(golden.kmeans))('%s', (_name, c) => {
    const mask = maskOf(c.mask);
    const points = kmeansPoints(mask, c.k, c.seed);
    expect(points).toHaveLength(c.count);
    if (c.count === 0) return;
    if (c.exact) {
      const expected = npy(c.points);
      const rows = Array.from({ length: expected.shape[0] }, (_, i) =>
        [...expected.data.slice(i * 3 + 1, i * 3 + 3)].map(Number),
      );
      expect([...points].map(String).sort()).toEqual(rows.map(String).sort());
    }
    let inertia = 0;
    let worst = 0;
    mask.data.forEach((inside, at) => {
      if (inside === 0) return;
      const d = Math.min(
        ...points.map((p) => Math.hypot(p[0] - (at % mask.width), p[1] - Math.floor(at / mask.width))),
      );
      inertia += d * d;
      worst = Math.max(worst, d);
    });
    expect(inertia).toBeLessThanOrEqual(1.1 * Math.max(c.inertia_range_over_6_seeds[1], c.inertia_of_rounded_centres));
    expect(worst).toBeLessThanOrEqual(1.5 * c.worst_pixel_distance + 1);
  });

  it.each(Object.entries<any>(golden.mask_selection))('mask selection: %s', (_name, c) => {
    const [height, width] = c.image_hw;
    const masks = (c.text_masks ?? []).map((pixels: number[][]) => {
      const data = new Uint8Array(width * height);
      for (const [x, y] of pixels) data[y! * width + x!] = 1;
      return { width, height, data };
    });
    if (masks.length === 0) return;
    const chosen = selectMasks(masks, [c.points[0][1], c.points[0][2]]);
    const inChosen = new Set(chosen.flatMap((m) => [...m.data.entries()].filter(([, v]) => v).map(([at]) => at)));
    // Cases with several points or frames join the masks of each; one point is one choice.
    if (c.points.length !== 1) return;
    for (const result of c.result) {
      for (const [, x, y] of result.query_points) expect(inChosen.has(y * width + x)).toBe(true);
      if (result.query_points.length < 100) expect(result.query_points).toHaveLength(inChosen.size);
    }
  });
});

describeShared('the Kinect desk', 'real/rgbd/color.png', () => {
  const camera = new CameraModel({ width: 640, height: 480, fx: 525, fy: 525, cx: 319.5, cy: 239.5 });
  const load = async () => ({
    color: await decodeColorFile(readFileSync(sharedPath('real/rgbd/color.png')), 'color.png'),
    depth: await decodeDepthFile(readFileSync(sharedPath('real/rgbd/depth.png')), 'depth.png', 1 / 5000),
  });
  // The die's outline in the colour image, drawn by hand: x from 126 to 172, y from 197 to 246.
  it.each([
    [150, 225],
    [140, 210],
    [160, 232],
    [150, 204],
    [136, 240],
    [164, 215],
    [139, 222],
  ])('8 points on the yellow die from a click at (%d, %d)', async (x, y) => {
    const { color, depth } = await load();
    const mask = growRegion(color, depth, camera, [x, y]);
    const points = liftMask(mask, depth, camera, { points: 8, seed: 0 });
    expect(points).toHaveLength(8);
    for (const { pixel, position, refused } of points) {
      if (!position) throw new Error(refused);
      expect(pixel[0]).toBeGreaterThanOrEqual(126);
      expect(pixel[0]).toBeLessThanOrEqual(172);
      expect(pixel[1]).toBeGreaterThanOrEqual(197);
      expect(pixel[1]).toBeLessThanOrEqual(246);
      const raw = depth.data[pixel[1] * 640 + pixel[0]]!;
      expect(Math.abs(position[2] - raw)).toBeLessThan(0.005);
      expect(raw).toBeLessThan(2.14);
      const at = (pixel[1] * 640 + pixel[0]) * 3;
      const [r, g, b] = color.data.slice(at, at + 3) as unknown as [number, number, number];
      // Yellow, or one of the black dots.
      expect(Math.min(r, g) - b > 40 || Math.max(r, g, b) < 110).toBe(true);
    }
    expect(new Set(points.map((p) => p.pixel.join())).size).toBe(8);
  });
  it('refuses a click on a hole, with the reason', async () => {
    const { color, depth } = await load();
    const hole = depth.data.findIndex((d, i) => Number.isNaN(d) && i > 640 * 100);
    const click = [hole % 640, Math.floor(hole / 640)] as const;
    expect(() => growRegion(color, depth, camera, click)).toThrow('has no depth measurement');
    expect(liftClicks([click], depth, camera)[0]!.refused).toMatch('hole');
  });
});
