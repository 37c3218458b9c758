import { InputError } from '../core/errors.js';
import type { RgbImage } from '../core/images.js';
import { CAMERA_ALIASES } from '../planning/camera-aliases.js';
import { isMap, type MessageMap, type MessageValue } from './message-value.js';
import { NumpyArray } from './numpy-array.js';

/** What a policy takes out of a client's observation. */
export interface Observation {
  readonly task: string;
  /** Joints of the arm, radians. */
  readonly arm: readonly number[];
  /** The gripper's first joint. */
  readonly gripper: number;
  /** By the policy's cameras, each camera's pictures from the oldest to the newest; one where the client sends as the published ones do. */
  readonly pictures: readonly (readonly RgbImage[])[];
  /** The client wants a whole chunk and not the action of one step. */
  readonly chunk: ChunkWish | null;
}

export interface ChunkWish {
  /** Standard normal numbers that the chunk starts from; null leaves them to the server. */
  readonly noise: Float32Array | null;
}

/** @param joints of the arm. @throws InputError `observation.*` that names what is missing or of another kind. */
export function readObservation(message: MessageValue, cameras: readonly string[], joints: number): Observation {
  if (!isMap(message)) throw bad('format', 'the observation is no map', 'send a map with task, qpos and the cameras');
  const task = message.get('task');
  if (typeof task !== 'string')
    throw bad('task', 'the observation has no "task" that is a text', 'send what to do, in words');
  const qpos = message.get('qpos');
  if (!isMap(qpos)) throw bad('qpos', 'the observation has no "qpos" that is a map', 'send qpos: {arm, gripper}');
  return {
    task,
    arm: numbers(qpos, 'arm', joints),
    gripper: numbers(qpos, 'gripper', 1)[0]!,
    pictures: cameras.map((camera) => readPictures(message, camera)),
    chunk: message.get('chunk') === true ? { noise: readNoise(message.get('noise')) } : null,
  };
}

/** As a list or as an array, as simulators and robots send them. The published policies read as many as they know and leave the rest. */
function numbers(qpos: MessageMap, name: 'arm' | 'gripper', least: number): readonly number[] {
  const given = qpos.get(name);
  const values = (
    given instanceof NumpyArray ? Array.from<number | bigint, number>(given.data, Number) : given
  ) as unknown;
  const isRight = Array.isArray(values) && (name === 'arm' ? values.length === least : values.length >= least);
  if (isRight && values.every((value) => typeof value === 'number' && Number.isFinite(value)))
    return values as number[];
  throw bad(
    'qpos',
    `qpos.${name} is not ${name === 'arm' ? least : `${least} or more`} finite numbers: ${given === undefined ? 'it is missing' : String(values).slice(0, 100)}`,
    'send joint positions in radians',
  );
}

/** [height, width, 3], or several of them one after the other. */
function readPictures(message: MessageMap, camera: string): readonly RgbImage[] {
  const picture = message.get(camera) ?? message.get(CAMERA_ALIASES.get(camera) ?? camera);
  if (picture === undefined)
    throw bad('camera', `the camera "${camera}" is missing from the observation`, `send the pictures of ${camera}`);
  const isArray = picture instanceof NumpyArray;
  const [count, height, width, channels] = isArray ? [1, ...picture.shape].slice(-4) : [];
  if (!isArray || picture.dtype !== '|u1' || channels !== 3 || !count || !height || !width) {
    const what = isArray ? `${picture.dtype} of shape [${picture.shape.join(', ')}]` : 'no array';
    throw bad(
      'camera',
      `the picture of "${camera}" is ${what}`,
      'send uint8 pictures of [height, width, 3], red first',
    );
  }
  const bytes = height * width * 3;
  const data = picture.data as Uint8Array;
  return Array.from({ length: count }, (_, k) => ({ width, height, data: data.subarray(k * bytes, (k + 1) * bytes) }));
}

function readNoise(noise: MessageValue | undefined): Float32Array | null {
  if (noise === undefined) return null;
  if (noise instanceof NumpyArray && noise.data instanceof Float32Array) return noise.data;
  throw bad(
    'noise',
    'the "noise" of the observation is no array of float32',
    'leave it out, or send float32 [steps, values]',
  );
}

function bad(code: string, message: string, remedy: string): InputError {
  return new InputError({ code: `observation.${code}`, message, remedy });
}
