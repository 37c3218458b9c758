import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jest } from '@jest/globals';
import { decodeCdr } from '../../src/bus/cdr.js';
import type { MessageType, MessageTypes } from '../../src/bus/messages.js';
import { main } from '../../src/cli/main.js';
import type { CameraFrame } from '../../src/core/observation.js';
import type { Pixel, Vector3 } from '../../src/core/vector.js';
import { findCameras } from '../../src/node/camera-topics.js';
import { openRecording } from '../../src/recordings/open-recording.js';
import type { RecordedMessage } from '../../src/recordings/recording.js';
import { CameraStream } from '../../src/sensing/camera-stream.js';
import { MILLIMETRES } from '../../src/sensing/depth-image.js';
import { liftPixel } from '../../src/sensing/lifting.js';
import { sharedPath } from '../golden/shared.js';

/** A small input with the property of a public bug report. */
export function report(...parts: string[]): string {
  return sharedPath('real/reports', ...parts);
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process, which is twenty times as fast as starting the program. */
export async function runHere(...args: string[]): Promise<Outcome> {
  const texts = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    jest.spyOn(process[name], 'write').mockImplementation((text) => {
      texts[name] += text.toString();
      return true;
    }),
  );
  try {
    await main(['node', 'molmo-motion', ...args]);
    return { code: Number(process.exitCode ?? 0), out: texts.stdout, err: texts.stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

interface Counted {
  readonly kind?: string;
  readonly code: string;
  readonly message: string;
  readonly count: number;
}

export interface Replayed extends Outcome {
  /** Null where the replay ended with an error. */
  readonly report: {
    readonly camera: string | null;
    readonly stages: {
      readonly sensing: { readonly frames: number; readonly joint_states: number };
      readonly grounding: { readonly queries: number };
      readonly forecasting: { readonly forecasts: number };
    };
    readonly refusals: readonly (Counted & { readonly stage: string; readonly remedy: string })[];
    readonly problems: readonly Counted[];
  } | null;
}

/** What the reports' README does with every recording: one click on the middle of the box. */
export async function replayed(file: string, ...more: string[]): Promise<Replayed> {
  const out = await mkdtemp(path.join(tmpdir(), 'report-'));
  try {
    const outcome = await runHere('replay', file, '--out', out, '--click', '80,60', ...more);
    const text = await readFile(path.join(out, 'report.json'), 'utf8').catch(() => null);
    return { ...outcome, report: text === null ? null : (JSON.parse(text) as Replayed['report']) };
  } finally {
    await rm(out, { recursive: true });
  }
}

export interface Info {
  readonly messages: number;
  readonly instruction: string | null;
  readonly cameras: readonly { readonly camera: string; readonly color: string; readonly depth: string | null }[];
  readonly problems: readonly Counted[];
}

export async function infoOf(file: string): Promise<Info> {
  const { out, err } = await runHere('info', file, '--json', '-');
  if (out === '') throw new Error(err);
  return JSON.parse(out) as Info;
}

/** Where pixels of a camera's first picture lie, through the code of the stages: topics found, calibration read, depth decoded. */
export async function lifted(file: string, pixels: readonly Pixel[], camera?: string): Promise<readonly Vector3[]> {
  const frame = await firstFrame(file, camera);
  const depth = await frame.depth!();
  return pixels.map((pixel) => {
    const { position, ...reason } = liftPixel(pixel, depth, frame.model);
    if (position === null) throw new Error(JSON.stringify(reason));
    return position;
  });
}

async function firstFrame(file: string, name?: string): Promise<CameraFrame> {
  const recording = await openRecording(file);
  try {
    const cameras = findCameras(recording.topics.filter(({ usable }) => usable));
    const camera = cameras.find((c) => (name === undefined ? c.depth !== null : c.camera === name))!;
    const frames: CameraFrame[] = [];
    const options = { depthScaleM: MILLIMETRES, maxInterval: 33_000_000n, queueSize: 10 };
    const stream = new CameraStream(
      { camera: camera.camera, hasDepth: camera.depth !== null, rectified: camera.rectified, ...options },
      (frame) => frames.push(frame),
      (error) => {
        throw error;
      },
    );
    for await (const message of recording.messages()) {
      if (message.topic === camera.info) stream.addInfo(contentOf(message, 'sensor_msgs/msg/CameraInfo'));
      if (message.topic === camera.color.topic) stream.addColor(contentOf(message, camera.color.type));
      if (camera.depth && message.topic === camera.depth.topic) stream.addDepth(contentOf(message, camera.depth.type));
      if (frames[0]) return frames[0];
    }
    throw new Error(`${file} gives no frame`);
  } finally {
    await recording.close();
  }
}

function contentOf<T extends MessageType>({ content }: RecordedMessage, type: T): MessageTypes[T] {
  return content instanceof Uint8Array ? decodeCdr(type, content) : (content as MessageTypes[T]);
}
