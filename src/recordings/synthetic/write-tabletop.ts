import sharp from 'sharp';
import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS } from '../../bus/bus.js';
import { encodeCdr } from '../../bus/cdr.js';
import type { CompressedImage, Header, Image, MessageType, MessageTypes } from '../../bus/messages.js';
import { fromSeconds, toTimeMessage, type Nanoseconds } from '../../core/time.js';
import { invert, transformPoint } from '../../geometry/transform.js';
import { pinholeInfo } from '../pinhole-info.js';
import { McapFileWriter } from '../mcap/mcap-file-writer.js';
import {
  cubeAt,
  INSTRUCTION,
  measuredDepth,
  renderTabletop,
  tabletopCameras,
  type TabletopCamera,
} from './tabletop.js';

export interface TabletopOptions {
  readonly seconds: number;
  readonly rateHz: number;
  readonly width: number;
  readonly height: number;
  /** JPEG and compressedDepth PNG, as recordings are mostly kept; raw pictures otherwise. */
  readonly compressed: boolean;
  /** Pictures repeat after this many seconds: a long recording for measuring speed needs few different ones. */
  readonly repeatS?: number;
  /** Seconds at which someone clicks on the cube in the fixed camera. */
  readonly clicksAtS: readonly number[];
}

const START: Nanoseconds = 1_760_000_000_000_000_000n;
/** Messages are logged a little after they are stamped, as on a robot. */
const LOG_DELAY: Nanoseconds = 4_000_000n;
const ARM = Array.from({ length: 7 }, (_, i) => `fr3_joint${i + 1}`);
const HOME = [0, -0.7853, 0, -2.35619, 0, 1.57079, 0.785] as const;
const JPEG_QUALITY = 85;

/** Writes the synthetic tabletop as a ROS 2 recording. The same options give the same bytes. @returns how many messages were written. */
export async function writeTabletop(path: string, options: TabletopOptions): Promise<number> {
  const cameras = tabletopCameras(options.width, options.height);
  const writer = await McapFileWriter.create(path, 'none');
  let count = 0;
  const write = async <T extends MessageType>(
    topic: string,
    type: T,
    seconds: number,
    message: MessageTypes[T],
  ): Promise<void> => {
    const time = START + fromSeconds(seconds);
    await writer.write(topic, encodeCdr(type, message), time + LOG_DELAY, time + LOG_DELAY);
    count++;
  };
  try {
    declareTopics(writer, cameras, options.compressed);
    await write('/instruction', 'std_msgs/msg/String', 0, { data: INSTRUCTION });
    await write('/tf_static', 'tf2_msgs/msg/TFMessage', 0, {
      transforms: cameras.filter((camera) => !camera.moves).map((camera) => transformOf(camera, 0, 0)),
    });
    const pictures = new PictureCache(options);
    const frames = Math.round(options.seconds * options.rateHz);
    const clicks = [...options.clicksAtS];
    for (let i = 0; i < frames; i++) {
      const seconds = i / options.rateHz;
      const shown = options.repeatS === undefined ? seconds : seconds % options.repeatS;
      await write('/tf', 'tf2_msgs/msg/TFMessage', seconds, {
        transforms: cameras.filter((camera) => camera.moves).map((camera) => transformOf(camera, shown, seconds)),
      });
      await write('/joint_states', 'sensor_msgs/msg/JointState', seconds, {
        header: headerAt(seconds, ''),
        name: ARM,
        position: HOME.map((q, j) => q + 0.1 * Math.sin(0.8 * shown + j)),
        velocity: HOME.map((_, j) => 0.08 * Math.cos(0.8 * shown + j)),
        effort: [],
      });
      while (clicks[0] !== undefined && clicks[0] <= seconds) {
        clicks.shift();
        await write(
          '/molmo_motion/click',
          'geometry_msgs/msg/PointStamped',
          seconds,
          clickOn(cameras[0]!, shown, seconds),
        );
      }
      for (const camera of cameras) {
        const header = headerAt(seconds, frameOf(camera));
        const { color, depth } = await pictures.get(camera, shown);
        await write(
          `/${camera.name}/color/camera_info`,
          'sensor_msgs/msg/CameraInfo',
          seconds,
          pinholeInfo(camera.intrinsics, header),
        );
        if (options.compressed) {
          await write(`/${camera.name}/color/image_raw/compressed`, 'sensor_msgs/msg/CompressedImage', seconds, {
            header,
            ...color,
          } as CompressedImage);
          await write(
            `/${camera.name}/aligned_depth_to_color/image_raw/compressedDepth`,
            'sensor_msgs/msg/CompressedImage',
            seconds,
            { header, ...depth } as CompressedImage,
          );
        } else {
          await write(`/${camera.name}/color/image_raw`, 'sensor_msgs/msg/Image', seconds, {
            header,
            ...color,
          } as Image);
          await write(`/${camera.name}/aligned_depth_to_color/image_raw`, 'sensor_msgs/msg/Image', seconds, {
            header,
            ...depth,
          } as Image);
        }
      }
    }
  } catch (error) {
    await writer.abort();
    throw error;
  }
  await writer.commit();
  return count;
}

type Picture = Omit<Image, 'header'> | Omit<CompressedImage, 'header'>;

/** Each moment is rendered and encoded once. */
class PictureCache {
  readonly #options: TabletopOptions;
  readonly #cache = new Map<string, { color: Picture; depth: Picture }>();

  constructor(options: TabletopOptions) {
    this.#options = options;
  }

  async get(camera: TabletopCamera, seconds: number): Promise<{ color: Picture; depth: Picture }> {
    const key = `${camera.name} ${seconds.toFixed(6)}`;
    const known = this.#cache.get(key);
    if (known) return known;
    const { width, height, compressed, repeatS } = this.#options;
    const rendering = renderTabletop(camera, seconds);
    const depth = measuredDepth(rendering, width, Math.round(seconds * 1000) + (camera.moves ? 7 : 0));
    const made = compressed
      ? { color: await jpeg(rendering.color, width, height), depth: await compressedDepth(depth, width, height) }
      : {
          color: raw('rgb8', rendering.color, width, height),
          depth: raw('16UC1', new Uint8Array(depth.buffer), width, height),
        };
    if (repeatS !== undefined) this.#cache.set(key, made);
    return made;
  }
}

function declareTopics(writer: McapFileWriter, cameras: readonly TabletopCamera[], compressed: boolean): void {
  writer.addTopic('/instruction', 'std_msgs/msg/String', LATCHED_QOS);
  writer.addTopic('/tf_static', 'tf2_msgs/msg/TFMessage', STATIC_TF_QOS);
  writer.addTopic('/tf', 'tf2_msgs/msg/TFMessage', DEFAULT_QOS);
  writer.addTopic('/joint_states', 'sensor_msgs/msg/JointState', DEFAULT_QOS);
  writer.addTopic('/molmo_motion/click', 'geometry_msgs/msg/PointStamped', DEFAULT_QOS);
  for (const { name } of cameras) {
    writer.addTopic(`/${name}/color/camera_info`, 'sensor_msgs/msg/CameraInfo', SENSOR_QOS);
    const type = compressed ? 'sensor_msgs/msg/CompressedImage' : 'sensor_msgs/msg/Image';
    writer.addTopic(`/${name}/color/image_raw${compressed ? '/compressed' : ''}`, type, SENSOR_QOS);
    writer.addTopic(
      `/${name}/aligned_depth_to_color/image_raw${compressed ? '/compressedDepth' : ''}`,
      type,
      SENSOR_QOS,
    );
  }
}

function frameOf(camera: TabletopCamera): string {
  return `${camera.name}_optical_frame`;
}

function headerAt(seconds: number, frame: string): Header {
  return { stamp: toTimeMessage(START + fromSeconds(seconds)), frame_id: frame };
}

function transformOf(
  camera: TabletopCamera,
  shown: number,
  seconds: number,
): MessageTypes['tf2_msgs/msg/TFMessage']['transforms'][number] {
  const {
    translation: [x, y, z],
    rotation: [qx, qy, qz, qw],
  } = camera.poseAt(shown);
  return {
    header: headerAt(seconds, 'world'),
    child_frame_id: frameOf(camera),
    transform: { translation: { x, y, z }, rotation: { x: qx, y: qy, z: qz, w: qw } },
  };
}

/** The pixel in which the cube's top is seen. */
function clickOn(
  camera: TabletopCamera,
  shown: number,
  seconds: number,
): MessageTypes['geometry_msgs/msg/PointStamped'] {
  const inCamera = transformPoint(invert(camera.poseAt(shown)), cubeAt(shown));
  const { fx, fy, cx, cy } = camera.intrinsics;
  return {
    header: headerAt(seconds, frameOf(camera)),
    point: {
      x: Math.round((fx * inCamera[0]) / inCamera[2] + cx),
      y: Math.round((fy * inCamera[1]) / inCamera[2] + cy),
      z: 0,
    },
  };
}

function raw(encoding: string, data: Uint8Array, width: number, height: number): Picture {
  return { width, height, encoding, is_bigendian: 0, step: data.length / height, data };
}

async function jpeg(data: Uint8Array, width: number, height: number): Promise<Picture> {
  return {
    format: 'rgb8; jpeg compressed bgr8',
    data: new Uint8Array(
      await sharp(data, { raw: { width, height, channels: 3 } })
        .jpeg({ quality: JPEG_QUALITY })
        .toBuffer(),
    ),
  };
}

async function compressedDepth(data: Uint16Array, width: number, height: number): Promise<Picture> {
  const png = await sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toBuffer();
  // The config header of 16UC1 is all zero.
  return { format: '16UC1; compressedDepth png', data: new Uint8Array(Buffer.concat([Buffer.alloc(12), png])) };
}
