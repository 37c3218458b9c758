import type { MessageType } from '../bus/messages.js';

/** Where one camera's messages are. */
export interface CameraTopics {
  readonly camera: string;
  readonly color: { readonly topic: string; readonly type: ImageType };
  readonly info: string;
  /** Aligned to the colour image; null for a camera without depth. */
  readonly depth: { readonly topic: string; readonly type: ImageType } | null;
  readonly rectified: boolean;
}

export type ImageType = 'sensor_msgs/msg/Image' | 'sensor_msgs/msg/CompressedImage';

interface Topic {
  readonly topic: string;
  readonly type: string;
}

const TRANSPORTS = /\/(compressed|compressedDepth|ffmpeg|theora)$/;
/** Where the camera's own name ends and the name of the picture begins. */
const PICTURE =
  /\/(color|colour|rgb|image|image_raw|image_rect|image_color|left|right|depth|aligned_depth_to_color|camera_info)(?!_?camera)(\/|_|$)/;

/**
 * Cameras among the topics of a recording or graph: every colour image with a CameraInfo beside it, and the depth image nearest to it by name.
 * Follows the names of the RealSense and ZED drivers and of image_transport; a raw topic is preferred to its compressed twin.
 */
export function findCameras(topics: readonly Topic[]): readonly CameraTopics[] {
  const images = topics.filter(
    (t): t is { topic: string; type: ImageType } =>
      t.type === 'sensor_msgs/msg/Image' || t.type === 'sensor_msgs/msg/CompressedImage',
  );
  const infos = new Set(
    topics.filter((t) => t.type === ('sensor_msgs/msg/CameraInfo' satisfies MessageType)).map((t) => t.topic),
  );
  const preferred = withoutTwins(images);
  const depths = preferred.filter(({ topic }) => isDepth(topic));
  const names = new Set<string>();
  return preferred
    .filter(({ topic }) => !isDepth(topic))
    .flatMap((color) => {
      const base = color.topic.replace(TRANSPORTS, '');
      const info = [`${parentOf(base)}/camera_info`, `${base}/camera_info`].find((candidate) => infos.has(candidate));
      if (info === undefined) return [];
      const depth = depthBeside(base, depths);
      const camera = uniqueName(cameraName(base), names);
      return [{ camera, color, info, depth, rectified: /rect/.test(base) }];
    });
}

/** Of `x/image`, `x/image/compressed` and `x/image/compressedDepth` the raw one, else the first. */
function withoutTwins(
  images: readonly { topic: string; type: ImageType }[],
): readonly { topic: string; type: ImageType }[] {
  const byBase = new Map<string, { topic: string; type: ImageType }>();
  for (const image of images) {
    const base = image.topic.replace(TRANSPORTS, '');
    const known = byBase.get(base);
    if (!known || (known.type === 'sensor_msgs/msg/CompressedImage' && image.type === 'sensor_msgs/msg/Image'))
      byBase.set(base, image);
  }
  return [...byBase.values()];
}

/** Depth of the same camera, one that says it is aligned first; whether it truly is shows in its frame when pictures come. */
function depthBeside(
  color: string,
  depths: readonly { topic: string; type: ImageType }[],
): { topic: string; type: ImageType } | null {
  const own = depths.filter(({ topic }) => cameraName(topic.replace(TRANSPORTS, '')) === cameraName(color));
  return own.find(({ topic }) => /aligned|registered/.test(topic)) ?? own[0] ?? null;
}

/** By the part that names the picture: a camera may be called depth_camera. */
function isDepth(topic: string): boolean {
  const base = topic.replace(TRANSPORTS, '');
  return /depth/i.test(base.slice(PICTURE.exec(base)?.index ?? 0)) || topic.endsWith('/compressedDepth');
}

function cameraName(base: string): string {
  const end = PICTURE.exec(base)?.index ?? base.length;
  const parts = base.slice(0, end).split('/').filter(Boolean);
  // RealSense repeats itself (/camera/camera) and ZED adds the node (/zed/zed_node).
  const distinct = parts.filter((part, i) => part !== parts[i - 1] && !part.endsWith('_node'));
  return distinct.join('_') || 'camera';
}

function uniqueName(name: string, names: Set<string>): string {
  let unique = name;
  for (let i = 2; names.has(unique); i++) unique = `${name}_${i}`;
  names.add(unique);
  return unique;
}

function parentOf(topic: string): string {
  return topic.slice(0, topic.lastIndexOf('/'));
}
