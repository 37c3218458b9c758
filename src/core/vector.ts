/** x, y, z; metres unless a name says otherwise. */
export type Vector3 = readonly [number, number, number];

/** Column x and row y of an image, in pixels; integers are pixel centres (the OpenCV and ROS convention). */
export type Pixel = readonly [number, number];

export function add(a: Vector3, b: Vector3): Vector3 {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}

export function scale(a: Vector3, factor: number): Vector3 {
  return [a[0] * factor, a[1] * factor, a[2] * factor];
}

export function distance(a: Vector3, b: Vector3): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

export function cross(a: Vector3, b: Vector3): Vector3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

/** Of length 1. */
export function unit(v: Vector3): Vector3 {
  return scale(v, 1 / Math.hypot(...v));
}

export function isFiniteVector(a: Vector3): boolean {
  return Number.isFinite(a[0]) && Number.isFinite(a[1]) && Number.isFinite(a[2]);
}
