import { vec3 } from 'gl-matrix';
import type { Intrinsics } from '../../core/camera.js';
import type { Vector3 } from '../../core/vector.js';
import type { Transform } from '../../geometry/transform.js';

export interface Box {
  readonly centre: Vector3;
  /** Half the edge lengths, along the world's axes. */
  readonly half: Vector3;
  readonly color: Vector3;
}

export interface Ball {
  readonly centre: Vector3;
  readonly radius: number;
  readonly color: Vector3;
}

/** Boxes and balls on a chequered table at z = 0. */
export interface Scene {
  readonly boxes: readonly Box[];
  readonly balls: readonly Ball[];
}

export interface Rendering {
  /** RGB, row-major. */
  readonly color: Uint8Array;
  /** Metres along the optical axis; 0 where the ray meets nothing. */
  readonly depth: Float32Array;
}

const SUN: Vector3 = [0.35, 0.25, 0.9];
const AMBIENT = 0.45;
const SQUARE_M = 0.08;
const TABLE_HALF_M = 0.9;

/** @param pose of the optical frame in the world. Pixel centres are at integer coordinates. */
export function render(scene: Scene, camera: Intrinsics, pose: Transform): Rendering {
  const { width, height, fx, fy, cx, cy } = camera;
  const color = new Uint8Array(width * height * 3);
  const depth = new Float32Array(width * height);
  const origin = pose.translation;
  for (let v = 0, i = 0; v < height; v++) {
    for (let u = 0; u < width; u++, i++) {
      // With z = 1 in the camera the ray parameter is the depth itself.
      const direction = vec3.transformQuat([0, 0, 0], [(u - cx) / fx, (v - cy) / fy, 1], pose.rotation);
      const hit = cast(scene, origin, direction);
      if (!hit) {
        color.set([178, 190, 201], i * 3);
        continue;
      }
      depth[i] = hit.distance;
      const light = AMBIENT + (1 - AMBIENT) * Math.max(0, vec3.dot(hit.normal, SUN));
      for (let c = 0; c < 3; c++) color[i * 3 + c] = Math.min(255, Math.round(hit.color[c]! * light));
    }
  }
  return { color, depth };
}

interface Hit {
  readonly distance: number;
  readonly normal: Vector3;
  readonly color: Vector3;
}

function cast(scene: Scene, o: Vector3, d: Vector3): Hit | null {
  let best: Hit | null = null;
  const take = (hit: Hit | null): void => {
    if (hit && hit.distance > 1e-6 && (!best || hit.distance < best.distance)) best = hit;
  };
  take(castTable(o, d));
  for (const box of scene.boxes) take(castBox(box, o, d));
  for (const ball of scene.balls) take(castBall(ball, o, d));
  return best;
}

function castTable(o: Vector3, d: Vector3): Hit | null {
  const distance = -o[2] / d[2];
  const x = o[0] + distance * d[0];
  const y = o[1] + distance * d[1];
  if (!(distance > 0) || Math.abs(x - 0.4) > TABLE_HALF_M || Math.abs(y) > TABLE_HALF_M) return null;
  const light = (Math.floor(x / SQUARE_M) + Math.floor(y / SQUARE_M)) % 2 === 0;
  return { distance, normal: [0, 0, 1], color: light ? [205, 190, 165] : [180, 163, 138] };
}

function castBox({ centre, half, color }: Box, o: Vector3, d: Vector3): Hit | null {
  let near = -Infinity;
  let far = Infinity;
  let axis = 0;
  for (let c = 0; c < 3; c++) {
    const a = (centre[c]! - half[c]! - o[c]!) / d[c]!;
    const b = (centre[c]! + half[c]! - o[c]!) / d[c]!;
    if (Math.min(a, b) > near) {
      near = Math.min(a, b);
      axis = c;
    }
    far = Math.min(far, Math.max(a, b));
  }
  if (!(near <= far) || near <= 0) return null;
  const normal: [number, number, number] = [0, 0, 0];
  normal[axis] = d[axis]! > 0 ? -1 : 1;
  // A printed grid gives a tracker something to hold on to.
  const at = (c: number): number => o[c]! + near * d[c]! - centre[c]!;
  const stripe = [0, 1, 2].some((c) => c !== axis && Math.abs(at(c)) % 0.017 < 0.003);
  return { distance: near, normal, color: stripe ? [color[0] * 0.75, color[1] * 0.75, color[2] * 0.75] : color };
}

function castBall({ centre, radius, color }: Ball, o: Vector3, d: Vector3): Hit | null {
  const oc = vec3.subtract([0, 0, 0], o, centre);
  const a = vec3.dot(d, d);
  const b = vec3.dot(oc, d);
  const discriminant = b * b - a * (vec3.dot(oc, oc) - radius * radius);
  if (discriminant < 0) return null;
  const distance = (-b - Math.sqrt(discriminant)) / a;
  if (distance <= 0) return null;
  const normal = vec3.scaleAndAdd([0, 0, 0], oc, d, distance);
  return { distance, normal: vec3.scale(normal, normal, 1 / radius), color };
}
