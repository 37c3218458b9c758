/** What the name of a topic of pictures tells: `/zed/zed_node/rgb/color/rect/image` is of the camera `/zed/zed_node`, and rectified. */
export interface PictureName {
  /** Without the part that image_transport adds, such as `/compressed`. */
  readonly base: string;
  readonly transport: string | null;
  /** Segments of the camera's own name. */
  readonly camera: readonly string[];
  /** Segments that name the picture: at least the last one. */
  readonly picture: readonly string[];
}

const TRANSPORT = /\/(compressed|compressedDepth|zstd|ffmpeg|theora)$/;

/** Segments before the last one that name a picture of a camera, not a camera, in the topics of drivers and of image_proc. */
const PICTURE_SEGMENT =
  /^(colou?r|rgb|image|raw|mono|rect|rectified|image_(raw|rect|color|mono)(_.*)?|stereo|depth|depth_(raw|registered|rect|to_rgb|to_color)|aligned_depth_to_\w+)$/;

export function pictureName(topic: string): PictureName {
  const transport = TRANSPORT.exec(topic)?.[1] ?? null;
  const base = topic.replace(TRANSPORT, '');
  const segments = base.split('/').filter(Boolean);
  let own = segments.length - 1;
  while (own > 0 && PICTURE_SEGMENT.test(segments[own - 1]!)) own--;
  return { base, transport, camera: segments.slice(0, Math.max(0, own)), picture: segments.slice(Math.max(0, own)) };
}

/** Only the picture's own name counts: a camera may be called "director". */
export function isRectified({ picture }: PictureName): boolean {
  return picture.some((segment) => /(^|_)rect(_|$|ified)/.test(segment));
}

/** A camera may be called "depth_camera": only the picture's own name counts. */
export function namesDepth({ picture, transport }: PictureName): boolean {
  return transport === 'compressedDepth' || picture.some((segment) => /depth/i.test(segment));
}

/** Pictures that are no depth though they are encoded as depth is: how sure the camera is of it, what it measured instead. */
export function namesOtherMeasurement({ picture }: PictureName): boolean {
  return picture.some((segment) =>
    /confidence|disparity|^ir$|infra|intensity|amplitude|variance|normal|mask|label/i.test(segment),
  );
}

export function namesAligned({ picture }: PictureName): boolean {
  return picture.some((segment) => /aligned|registered|depth_to_(rgb|color)/.test(segment));
}

/** The camera's name, as commands and the configuration use it. */
export function cameraNameOf({ camera }: PictureName): string {
  // RealSense repeats itself (/camera/camera) and ZED adds the node (/zed/zed_node).
  const distinct = camera.filter((segment, i) => segment !== camera[i - 1] && !segment.endsWith('_node'));
  return distinct.join('_') || 'camera';
}
