import { cameraNameOf, namesAligned, namesDepth } from './picture-name.js';
import { ambiguousCamera, preferredTransports, type PictureTopic } from './picture-topic.js';

/**
 * The depth picture that belongs to a colour picture: of the namespace that is nearest to its own, and of the same frame and size where these are
 * known. Null where there is none.
 * @throws InputError `camera.ambiguous` where two would do.
 */
export function depthOf(camera: string, color: PictureTopic, depths: readonly PictureTopic[]): PictureTopic | null {
  const near = nearest(color, depths);
  const fitting = near.filter((depth) => fits(color, depth));
  // Where none fits, one is taken all the same: its pictures are then refused with the reason, which says more than "without depth".
  const candidates = preferredTransports(fitting.length > 0 ? fitting : near, 'depth');
  const named = candidates.filter(({ name }) => namesDepth(name));
  const known = named.length > 0 ? named : candidates;
  if (known.length <= 1) return known[0] ?? null;
  const isKnown = color.picture !== null && known.every(({ picture }) => picture !== null);
  if (fitting.length === 0 || !isKnown) {
    // Only the names can tell, and drivers name what they align.
    const aligned = known.filter(({ name }) => namesAligned(name));
    if (aligned.length === 1) return aligned[0]!;
    if (fitting.length === 0) return known[0]!;
  }
  throw ambiguousCamera(
    `${known.length} depth pictures fit the colour picture ${color.topic}`,
    known.map(({ topic }) => topic),
    `cameras.${camera}.depth`,
  );
}

/**
 * Depth of the camera's own namespace. Else of the nearest namespace above or below it, as `/zed/depth` is of `/zed/left`; but then only the frame
 * can tell that it is not that of `/zed/right`, so it must be known, and the same.
 */
function nearest(color: PictureTopic, depths: readonly PictureTopic[]): readonly PictureTopic[] {
  const own = depths.filter((depth) => cameraNameOf(depth.name) === cameraNameOf(color.name));
  if (own.length > 0) return own;
  const confirmed = depths.filter((depth) => color.picture && depth.picture && fits(color, depth));
  const least = Math.min(...confirmed.map((depth) => distance(color, depth)));
  return Number.isFinite(least) ? confirmed.filter((depth) => distance(color, depth) === least) : [];
}

/** Namespaces between two cameras of which one lies in the other; infinite where neither does. */
function distance({ name: { camera: a } }: PictureTopic, { name: { camera: b } }: PictureTopic): number {
  const shared = Math.min(a.length, b.length);
  return a.slice(0, shared).every((segment, i) => segment === b[i]) ? Math.abs(a.length - b.length) : Infinity;
}

function fits({ picture: color }: PictureTopic, { picture: depth }: PictureTopic): boolean {
  if (!color || !depth) return true;
  const same = (a: number | null, b: number | null): boolean => a === null || b === null || a === b;
  return color.frameId === depth.frameId && same(color.width, depth.width) && same(color.height, depth.height);
}
