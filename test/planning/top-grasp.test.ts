import { describe, expect, it } from '@jest/globals';
import { vec3 } from 'gl-matrix';
import { normalNumbers, seededRandom } from '../../src/core/random.js';
import type { Vector3 } from '../../src/core/vector.js';
import { topGrasps } from '../../src/planning/top-grasp.js';

const GRIPPER = { openWidthM: 0.08, fingertipM: 0.012 };

/** What a camera with noise sees of an upright box: its top and two sides. */
function seenBox(
  [w, d, h]: Vector3,
  [x, y]: readonly [number, number],
  yaw: number,
  seed: number,
  count = 200,
): Vector3[] {
  const random = seededRandom(seed);
  const noise = normalNumbers(3 * count, random);
  return Array.from({ length: count }, (_, i): Vector3 => {
    const [a, b, c] = [random() - 0.5, random() - 0.5, random()];
    const face = Math.floor(3 * random());
    const [u, v, z] = face === 0 ? [a * w, b * d, h] : face === 1 ? [w / 2, b * d, c * h] : [a * w, d / 2, c * h];
    return [
      x + Math.cos(yaw) * u - Math.sin(yaw) * v + 0.0015 * noise[3 * i]!,
      y + Math.sin(yaw) * u + Math.cos(yaw) * v + 0.0015 * noise[3 * i + 1]!,
      z + 0.0015 * noise[3 * i + 2]!,
    ];
  });
}

describe('a grasp from above', () => {
  it('closes across the narrow side of what is seen, over its middle, above what it stands on', () => {
    const random = seededRandom(5);
    for (let trial = 0; trial < 40; trial++) {
      const size: Vector3 = [0.03 + 0.01 * random(), 0.055 + 0.02 * random(), 0.03 + 0.05 * random()];
      const at = [0.4 + 0.2 * random(), 0.4 * (random() - 0.5)] as const;
      const yaw = 2 * Math.PI * random();
      const [best, flipped] = topGrasps(seenBox(size, at, yaw, trial), GRIPPER);
      const { translation, rotation } = best!.pose;
      // A tenth of what the gripper opens.
      expect(Math.hypot(translation[0] - at[0], translation[1] - at[1])).toBeLessThan(0.008);
      expect(translation[2]).toBeGreaterThan(0.01);
      expect(translation[2]).toBeLessThan(size[2]);
      expect(Math.abs(best!.widthM - size[0])).toBeLessThan(0.008);
      // The tool looks down, and its y lies along the narrow side.
      expect(vec3.transformQuat([0, 0, 0], [0, 0, 1], rotation)[2]).toBeCloseTo(-1, 6);
      const closing = vec3.transformQuat([0, 0, 0], [0, 1, 0], rotation);
      expect(Math.abs(closing[0] * Math.cos(yaw) + closing[1] * Math.sin(yaw))).toBeGreaterThan(0.96);
      // The other way round is the same grasp.
      const turned = vec3.transformQuat([0, 0, 0], [0, 1, 0], flipped!.pose.rotation);
      expect(closing[0] * turned[0] + closing[1] * turned[1]).toBeCloseTo(-1, 6);
    }
  });
  it('takes an object that is too wide one way the other way, and refuses one that is too wide both ways', () => {
    const grasps = topGrasps(seenBox([0.12, 0.05, 0.04], [0.5, 0], 0.3, 1), GRIPPER);
    expect(grasps).toHaveLength(2);
    expect(grasps[0]!.widthM).toBeLessThan(0.06);
    expect(() => topGrasps(seenBox([0.12, 0.1, 0.04], [0.5, 0], 0.3, 1), GRIPPER)).toThrow(
      /the object is 9\d mm wide, and the gripper opens 80 mm/,
    );
  });
  it('needs to see something of the object', () => {
    expect(() => topGrasps(seenBox([0.04, 0.04, 0.04], [0.5, 0], 0, 1, 4), GRIPPER)).toThrow(
      /only 4 points of the object are seen/,
    );
  });
});
