/** x, y, z; metres unless a name says otherwise. gl-matrix computes with it as with any array. */
export type Vector3 = readonly [number, number, number];

/** x, y, z, w: the order of ROS and of gl-matrix. */
export type Quaternion = readonly [number, number, number, number];

/** Column x and row y of an image, in pixels; integers are pixel centres (the OpenCV and ROS convention). */
export type Pixel = readonly [number, number];

export function isFiniteVector(a: Vector3): boolean {
  return Number.isFinite(a[0]) && Number.isFinite(a[1]) && Number.isFinite(a[2]);
}
