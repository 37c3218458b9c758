/**
 * Where a ray o + t d meets a round shape, in the shape's own frame (z is its axis): the smallest positive t, Infinity where they do not meet.
 * Single numbers instead of vectors: these functions run once for each pixel, and only so does the compiler make them part of the loop.
 * @param r radius. @param half half of the length along z.
 */
type Intersect = (
  ox: number,
  oy: number,
  oz: number,
  dx: number,
  dy: number,
  dz: number,
  r: number,
  half: number,
) => number;

export const sphere = (ox: number, oy: number, oz: number, dx: number, dy: number, dz: number, r: number): number => {
  const A = dx * dx + dy * dy + dz * dz;
  const B = ox * dx + oy * dy + oz * dz;
  const C = ox * ox + oy * oy + oz * oz - r * r;
  const D = B * B - A * C;
  if (D < 0) return Infinity;
  const root = Math.sqrt(D);
  const near = (-B - root) / A;
  return near > 0 ? near : (-B + root) / A > 0 ? (-B + root) / A : Infinity;
};

/** The side of a cylinder, without its ends. */
const mantle: Intersect = (ox, oy, oz, dx, dy, dz, r, half) => {
  const A = dx * dx + dy * dy;
  const B = ox * dx + oy * dy;
  const C = ox * ox + oy * oy - r * r;
  const D = B * B - A * C;
  if (D < 0 || A === 0) return Infinity;
  const root = Math.sqrt(D);
  const near = (-B - root) / A;
  if (near > 0 && Math.abs(oz + near * dz) <= half) return near;
  const far = (-B + root) / A;
  return far > 0 && Math.abs(oz + far * dz) <= half ? far : Infinity;
};

export const cylinder: Intersect = (ox, oy, oz, dx, dy, dz, r, half) => {
  const A = dx * dx + dy * dy;
  const B = ox * dx + oy * dy;
  // Most rays miss: a ray that misses the endless cylinder misses the ends too, and needs no square root.
  if (A > 0 && B * B < A * (ox * ox + oy * oy - r * r)) return Infinity;
  let t = mantle(ox, oy, oz, dx, dy, dz, r, half);
  if (dz === 0) return t;
  for (const end of [-half, half]) {
    const s = (end - oz) / dz;
    if (s > 0 && s < t && (ox + s * dx) ** 2 + (oy + s * dy) ** 2 <= r * r) t = s;
  }
  return t;
};

export const capsule: Intersect = (ox, oy, oz, dx, dy, dz, r, half) => {
  const A = dx * dx + dy * dy;
  const B = ox * dx + oy * dy;
  const C = ox * ox + oy * oy - r * r;
  const D = B * B - A * C;
  if (A > 0 && D < 0) return Infinity;
  if (A > 0 && C > 0) {
    // The ray starts outside the endless cylinder. It enters the capsule through the mantle, or it passes the mantle's end and can only hit that
    // end's sphere.
    const near = (-B - Math.sqrt(D)) / A;
    if (near <= 0) return Infinity;
    const z = oz + near * dz;
    if (Math.abs(z) <= half) return near;
    return sphere(ox, oy, oz - (z > 0 ? half : -half), dx, dy, dz, r);
  }
  return Math.min(
    mantle(ox, oy, oz, dx, dy, dz, r, half),
    sphere(ox, oy, oz - half, dx, dy, dz, r),
    sphere(ox, oy, oz + half, dx, dy, dz, r),
  );
};
