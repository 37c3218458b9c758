import { vec3 } from 'gl-matrix';
import type { Camera } from '../core/camera.js';
import type { DepthImage } from '../core/images.js';
import { seededRandom } from '../core/random.js';
import type { Pixel, Vector3 } from '../core/vector.js';

/** Objects are looked for within this distance of the click, metres: what a gripper can hold, and the surface around it. */
const REACH_M = 0.25;
/** Share of the points nearby that a plane must hold to count as a surface. */
const MIN_SHARE = 0.2;
const MOST_PLANES = 3;
const TRIALS = 150;
const MOST_SAMPLES = 1500;

interface Plane {
  readonly normal: Vector3;
  readonly offset: number;
}

/**
 * Pixels near the click that lie on a large plane which the click itself is not on: the table, a wall. An object that touches its support has
 * no step in depth there, and its shadow and reflection blur the colour. Planes are found by RANSAC (seeded: the same image gives the same answer).
 * @returns one byte a pixel, 1 on such a plane.
 */
export function supportPixels(depth: DepthImage, camera: Camera, click: Pixel): Uint8Array {
  const { width, height, data } = depth;
  const support = new Uint8Array(data.length);
  const clickZ = data[click[1] * width + click[0]]!;
  const centre = camera.unproject(click, clickZ);
  if (!centre) return support;
  const radiusPx = Math.ceil((REACH_M / clickZ) * Math.max(camera.intrinsics.fx, camera.intrinsics.fy));
  let near: { at: number; point: Vector3 }[] = [];
  for (let y = Math.max(0, click[1] - radiusPx); y <= Math.min(height - 1, click[1] + radiusPx); y++) {
    for (let x = Math.max(0, click[0] - radiusPx); x <= Math.min(width - 1, click[0] + radiusPx); x++) {
      const z = data[y * width + x]!;
      const point = Math.abs(z - clickZ) <= REACH_M ? camera.unproject([x, y], z) : null;
      if (point && vec3.distance(point, centre) <= REACH_M) near.push({ at: y * width + x, point });
    }
  }
  // Noise of triangulating depth cameras grows with the square of the distance (Khoshelham and Elberink 2012: 1.4e-3 z^2 for the Kinect).
  const tolerance = Math.max(0.005, 3e-3 * clickZ * clickZ);
  const random = seededRandom(1);
  const wanted = MIN_SHARE * near.length;
  for (let round = 0; round < MOST_PLANES && near.length > wanted && near.length >= 30; round++) {
    const plane = bestPlane(
      near.map(({ point }) => point),
      tolerance,
      random,
    );
    if (!plane) break;
    const inliers = near.filter(({ point }) => Math.abs(distanceTo(plane, point)) <= tolerance);
    if (inliers.length < wanted) break;
    if (Math.abs(distanceTo(plane, centre)) > 2 * tolerance) for (const { at } of inliers) support[at] = 1;
    near = near.filter(({ point }) => Math.abs(distanceTo(plane, point)) > tolerance);
  }
  return support;
}

function bestPlane(points: readonly Vector3[], tolerance: number, random: () => number): Plane | null {
  const stride = Math.max(1, Math.floor(points.length / MOST_SAMPLES));
  const sample = points.filter((_, i) => i % stride === 0);
  let best: Plane | null = null;
  let bestCount = 0;
  for (let trial = 0; trial < TRIALS; trial++) {
    const pick = (): Vector3 => sample[Math.floor(random() * sample.length)]!;
    const plane = planeThrough(pick(), pick(), pick());
    if (!plane) continue;
    let count = 0;
    for (const point of sample) if (Math.abs(distanceTo(plane, point)) <= tolerance) count++;
    if (count > bestCount) {
      bestCount = count;
      best = plane;
    }
  }
  return best;
}

function planeThrough(a: Vector3, b: Vector3, c: Vector3): Plane | null {
  const normal = vec3.cross([0, 0, 0], vec3.subtract([0, 0, 0], b, a), vec3.subtract([0, 0, 0], c, a));
  // Three points that are nearly on a line say nothing about the plane.
  if (vec3.length(normal) < 1e-4) return null;
  vec3.normalize(normal, normal);
  return { normal, offset: vec3.dot(normal, a) };
}

function distanceTo(plane: Plane, p: Vector3): number {
  return vec3.dot(plane.normal, p) - plane.offset;
}
