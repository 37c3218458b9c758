import type { Bus, Qos } from '../bus/bus.js';
import type { MaskImage } from '../core/images.js';
import type { CameraFrame } from '../core/observation.js';
import type { PointTracks } from '../core/point-tracks.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import type { ClipIdentity } from '../forecasting/prediction-records.js';
import type { Topic } from '../node/camera-topics.js';
import type { ModelSource } from './model-source.js';

/** What differs between a robot, a recording and a simulator. Everything else is the same code. */
export interface World {
  readonly bus: Bus;
  /** Seconds of a clock that never jumps. */
  readonly monotonicS: () => number;
  /** What is published by others. */
  readonly topics: readonly WorldTopic[];
  readonly models: ModelSource;
  /** The arm does what it is sent. One in a recording does what it did. */
  readonly isCommanded: boolean;
  /**
   * Of a world whose clock stands still while models compute: seconds after its observation that a chunk is taken to come, given the latency that is
   * configured. Left out where the clock tells it.
   */
  readonly chunkDelayS?: (latencyS: number) => number;
  /** Motion of points that is known beside the messages; null where none is. */
  readonly tracks: PointTracks | null;
  /** Of a published clip, by which its stored answers are found; null elsewhere. */
  readonly clip: ClipIdentity | null;
  /** Only scoring, and what is called `truth` or `mask`, may look at it. Null on a robot. */
  readonly truth: Truth | null;
}

export interface WorldTopic extends Topic {
  /** As its publisher offers it, for the recording; null for what is not to be recorded. */
  readonly qos: Qos | null;
}

/** What a recording or a simulator knows and a robot does not. */
export interface Truth {
  /** Says where points really go. @throws InputError where nobody knows it for this task. */
  readonly forecaster: ((options: TruthOptions) => Promise<Forecaster>) | null;
  /** Pixels of the thing that an instruction names; null for a picture that is not remembered. It throws for an instruction that names nothing. */
  readonly maskOf: ((instruction: string, frame: CameraFrame) => MaskImage | null) | null;
}

export interface TruthOptions {
  /** Future steps. */
  readonly steps: number;
  readonly historySize: number;
}

/** Pictures of the history that there are at most: a clip has as many as it has, elsewhere three, as the released MolmoMotion model takes. */
export function historyOf({ tracks }: World): number {
  return (tracks?.t0 ?? RELEASED_HISTORY - 1) + 1;
}

/** MolmoMotion-4B-H3-F30. */
const RELEASED_HISTORY = 3;
