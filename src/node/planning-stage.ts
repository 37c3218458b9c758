import type { Observable } from 'rxjs';
import type { ActionChunk } from '../core/action-chunk.js';
import type { JointPositions } from '../core/joint-state.js';
import type { CameraFrame } from '../core/observation.js';
import type { Nanoseconds } from '../core/time.js';
import type { Command } from '../execution/executor.js';
import type { ForecastResult } from './forecast-result.js';

/** The robot and its task when a picture came. */
export interface RobotMoment {
  /** Null where no joint states have arrived. */
  readonly joints: JointPositions | null;
  /** Null where no gripper has been heard. */
  readonly gripper: number | null;
  readonly instruction: string;
}

export interface PlannedChunk {
  readonly chunk: ActionChunk;
  /** Milliseconds by name, `total` among them. */
  readonly timings: Readonly<Record<string, number>>;
}

/** Whoever plans chunks beside the forecasts. */
export interface PlanningStage {
  readonly results: Observable<PlannedChunk>;
  /** Errors of chunks that failed. */
  readonly failures: Observable<unknown>;
  /** Stamps of observations that a plan could begin from. */
  readonly observed: Observable<Nanoseconds>;
  addFrame(frame: CameraFrame, robot: RobotMoment): void;
  sawForecast(result: ForecastResult): void;
  /** What was executed, and when the arm only held. */
  sawCommand(command: Command): void;
  /** The task is done, as far as the planner knows; false where it cannot know. */
  readonly isDone: boolean;
  /** A promise while a chunk is being made. */
  settle(): Promise<void> | undefined;
  /** The arm was started: a plan begins from where it now is. */
  restart(): void;
  /** After the clock jumped back nothing that was seen before counts. */
  clear(): void;
  close(): Promise<void>;
}
