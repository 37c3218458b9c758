import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Header, MessageTypes } from '../bus/messages.js';
import type { Intrinsics } from '../core/camera.js';
import { describeError, InputError } from '../core/errors.js';
import { installedPath } from '../core/installed-path.js';
import { fromSeconds, toTimeMessage, type Nanoseconds } from '../core/time.js';
import type { Pixel, Vector3 } from '../core/vector.js';
import { loadTensor } from '../tensors/stored-tensor.js';
import { readTorchFile } from '../tensors/torch-file.js';
import type { PointTracks } from '../core/point-tracks.js';
import type { RecordedMessage, RecordedTopic, Recording } from './recording.js';
import { imageSize } from './image-size.js';
import { pinholeInfo } from './pinhole-info.js';

const START: Nanoseconds = 1_000_000_000n;
/** MolmoMotion is trained at 15 frames a second. */
const DEFAULT_FPS = 15;
const CAMERA = 'camera';
const FRAME = 'camera_optical_frame';

const vector3 = z.tuple([z.number(), z.number(), z.number()]);
const clipSchema = z.looseObject({
  id: z.string().optional(),
  dataset: z.string().optional(),
  video: z.string().optional(),
  caption: z.string().optional(),
  action: z.string().optional(),
  fps: z.number().positive().optional(),
  point_indices: z.array(z.number()).optional(),
  intrinsics_K: z.tuple([vector3, vector3, vector3]).optional(),
  points_2d_at_t0: z.array(z.tuple([z.number(), z.number()])).optional(),
  points_3d_history: z.array(z.array(vector3)).optional(),
  points_3d_future_gt: z.array(z.array(vector3)).optional(),
  visibility_future_gt: z.array(z.array(z.union([z.boolean(), z.number()]))).optional(),
});

export interface ClipFacts {
  readonly id: string;
  readonly dataset: string | undefined;
  readonly video: string | undefined;
  readonly pointIndices: readonly number[] | undefined;
  readonly caption: string;
  readonly fps: number;
}

/**
 * A published MolmoMotion example: the last frames before t0 (`frame_t-2`, `frame_t-1`, `frame_t+0`, JPEG or PNG), intrinsics, and query points
 * with their history, in `clip.json` or in the published folder's own files (`caption.txt`, `meta.json`, `.pt` tensors).
 */
export class ClipRecording implements Recording {
  readonly kind = 'clip';
  readonly path: string;
  readonly facts: ClipFacts;
  readonly instruction: string;
  readonly tracks: PointTracks;
  readonly commands = null;
  readonly topics: readonly RecordedTopic[];
  readonly timeRange: readonly [Nanoseconds, Nanoseconds];
  readonly problems = [];
  readonly #frames: readonly string[];
  readonly #intrinsics: Intrinsics;

  private constructor(
    location: string,
    facts: ClipFacts,
    tracks: PointTracks,
    frames: readonly string[],
    intrinsics: Intrinsics,
  ) {
    this.path = location;
    this.facts = facts;
    this.instruction = facts.caption;
    this.tracks = tracks;
    this.#frames = frames;
    this.#intrinsics = intrinsics;
    this.topics = [
      { topic: `/${CAMERA}/color/camera_info`, type: 'sensor_msgs/msg/CameraInfo', count: frames.length, usable: true },
      {
        topic: `/${CAMERA}/color/image_raw/compressed`,
        type: 'sensor_msgs/msg/CompressedImage',
        count: frames.length,
        usable: true,
      },
      { topic: '/instruction', type: 'std_msgs/msg/String', count: 1, usable: true },
    ];
    this.timeRange = [START, tracks.stamps[frames.length - 1]!];
  }

  /** @throws InputError `clip.*` naming the file that is missing or wrong. */
  static async open(location: string): Promise<ClipRecording> {
    const raw = await readClipFiles(location);
    const parsed = clipSchema.safeParse(raw);
    if (!parsed.success)
      throw clipError('clip.layout', `${location}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
    const clip = parsed.data;
    const history = clip.points_3d_history;
    const pixels = clip.points_2d_at_t0;
    const k = clip.intrinsics_K;
    if (!history || history.length === 0 || !pixels || !k) {
      throw clipError(
        'clip.layout',
        `${location} lacks ${!history || history.length === 0 ? 'points_3d_history' : !pixels ? 'points_2d_at_t0' : 'intrinsics_K'}`,
      );
    }
    const points = history[0]!.length;
    if (history.some((frame) => frame.length !== points) || pixels.length !== points) {
      throw clipError(
        'clip.layout',
        `${location}: points_3d_history has ${history.map((f) => f.length).join(', ')} points a frame, points_2d_at_t0 ${pixels.length}`,
      );
    }
    const frames = findFrames(location, history.length);
    const fps = clip.fps ?? DEFAULT_FPS;
    const sizes = await Promise.all(frames.map(imageSize));
    const [width, height] = sizes[0]!;
    if (sizes.some(([w, h]) => w !== width || h !== height))
      throw clipError(
        'clip.frames',
        `${location}: its frames differ in size (${sizes.map((s) => s.join('x')).join(', ')})`,
      );
    const caption = clip.caption ?? clip.action;
    if (caption === undefined) throw clipError('clip.layout', `${location} has no caption`);
    return new ClipRecording(
      location,
      {
        id: clip.id ?? path.basename(location),
        dataset: clip.dataset,
        video: clip.video,
        pointIndices: clip.point_indices,
        caption,
        fps,
      },
      tracksOf(
        history,
        pixels,
        byFrame(clip.points_3d_future_gt, points, `${location}: points_3d_future_gt`),
        byFrame(clip.visibility_future_gt, points, `${location}: visibility_future_gt`),
        fps,
      ),
      frames,
      intrinsicsOf(width, height, k),
    );
  }

  async *messages(): AsyncGenerator<RecordedMessage> {
    yield this.#message('/instruction', 'std_msgs/msg/String', 0, { data: this.instruction });
    for (const [i, file] of this.#frames.entries()) {
      const header: Header = { stamp: toTimeMessage(this.tracks.stamps[i]!), frame_id: FRAME };
      yield this.#message(
        `/${CAMERA}/color/camera_info`,
        'sensor_msgs/msg/CameraInfo',
        i,
        pinholeInfo(this.#intrinsics, header),
      );
      yield this.#message(`/${CAMERA}/color/image_raw/compressed`, 'sensor_msgs/msg/CompressedImage', i, {
        header,
        format: path.extname(file) === '.png' ? 'png' : 'jpeg',
        data: new Uint8Array(await readFile(file)),
      });
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #message<T extends keyof MessageTypes>(
    topic: string,
    type: T,
    frame: number,
    content: MessageTypes[T],
  ): RecordedMessage {
    const time = this.tracks.stamps[frame]!;
    return { topic, type, logTime: time, publishTime: time, content };
  }
}

/** Whether a directory is a clip (and not, say, a rosbag2 directory). */
export function isClip(directory: string): boolean {
  return existsSync(path.join(directory, 'clip.json')) || existsSync(path.join(directory, 'points_3d_history.pt'));
}

async function readClipFiles(location: string): Promise<unknown> {
  const read = async (name: string): Promise<Buffer> => {
    try {
      return await readFile(path.join(location, name));
    } catch (cause) {
      throw clipError('clip.file', `${path.join(location, name)} cannot be read: ${describeError(cause)}`, cause);
    }
  };
  const json = async (name: string): Promise<Record<string, unknown>> => {
    const text = (await read(name)).toString('utf8');
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch (cause) {
      throw clipError('clip.file', `${path.join(location, name)} is not JSON: ${describeError(cause)}`, cause);
    }
  };
  if (existsSync(path.join(location, 'clip.json'))) return json('clip.json');
  const tensor = async (name: string): Promise<unknown> => {
    const file = path.join(location, name);
    const stored = existsSync(file) ? (await readTorchFile(file)).get('') : undefined;
    if (!stored) throw clipError('clip.file', `${file} is missing, or holds no single tensor`);
    const { shape, data } = await loadTensor(stored);
    const nest = (values: readonly number[], sizes: readonly number[]): unknown =>
      sizes.length <= 1
        ? values
        : Array.from({ length: sizes[0]! }, (_, i) =>
            nest(values.slice((i * values.length) / sizes[0]!, ((i + 1) * values.length) / sizes[0]!), sizes.slice(1)),
          );
    return nest(Array.from(data as Float32Array, Number), shape);
  };
  return {
    ...(existsSync(path.join(location, 'meta.json')) ? await json('meta.json') : {}),
    ...(existsSync(path.join(location, 'caption.txt'))
      ? { caption: (await read('caption.txt')).toString('utf8').trim() }
      : {}),
    intrinsics_K: await tensor('intrinsics_K.pt'),
    points_2d_at_t0: await tensor('points_2d_at_t0.pt'),
    points_3d_history: await tensor('points_3d_history.pt'),
  };
}

/** `frame_t-2`, `frame_t-1`, `frame_t+0`: as many as there is history. */
function findFrames(location: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => {
    const back = count - 1 - i;
    const name = `frame_t${back === 0 ? '+0' : `-${back}`}`;
    const file = ['.jpg', '.jpeg', '.png']
      .map((extension) => path.join(location, name + extension))
      .find((candidate) => existsSync(candidate));
    if (file === undefined) throw clipError('clip.frames', `${location} has no ${name}.jpg or .png`);
    return file;
  });
}

/** Truth is `[step][point]` in the published layout; `[point][step]` is taken where only that fits the number of points. */
function byFrame<T>(
  rows: readonly (readonly T[])[] | undefined,
  points: number,
  what: string,
): readonly (readonly T[])[] {
  if (!rows || rows.length === 0) return [];
  const lengths = new Set(rows.map((row) => row.length));
  if (lengths.size === 1 && lengths.has(points)) return rows;
  if (lengths.size === 1 && rows.length === points) return rows[0]!.map((_, f) => rows.map((row) => row[f]!));
  throw clipError(
    'clip.layout',
    `${what} has ${rows.length} rows of ${[...lengths].join(', ')}, which fits no ${points} points`,
  );
}

function tracksOf(
  history: readonly (readonly Vector3[])[],
  pixels: readonly Pixel[],
  future: readonly (readonly Vector3[])[],
  futureVisible: readonly (readonly (boolean | number)[])[],
  fps: number,
): PointTracks {
  const frames = [...history, ...future];
  return {
    camera: CAMERA,
    frameId: FRAME,
    stamps: frames.map((_, i) => START + fromSeconds(i / fps)),
    positions: frames.map((frame) => frame.map((p) => (p.every(Number.isFinite) ? p : null))),
    visible: frames.map((frame, i) =>
      frame.map(
        (p, n) =>
          p.every(Number.isFinite) &&
          Boolean(i < history.length ? true : (futureVisible[i - history.length]?.[n] ?? true)),
      ),
    ),
    pixels: frames.map((_, i) => (i === history.length - 1 ? pixels : null)),
    t0: history.length - 1,
  };
}

function intrinsicsOf(width: number, height: number, k: readonly (readonly number[])[]): Intrinsics {
  const [[fx = 0, , cx = 0] = [], [, fy = 0, cy = 0] = []] = k;
  return { width, height, fx, fy, cx, cy };
}

function clipError(code: string, message: string, cause?: unknown): InputError {
  return new InputError({
    code,
    message,
    remedy: `give a clip folder: frames, intrinsics, points and their history (${installedPath('docs/recordings.md')} lists the files)`,
    cause,
  });
}
