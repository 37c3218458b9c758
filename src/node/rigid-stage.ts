import { Subject, type Observable } from 'rxjs';
import { RetryableError } from '../core/errors.js';
import { widthOfState, type GripperConvention } from '../core/gripper.js';
import type { CameraFrame } from '../core/observation.js';
import type { Command } from '../execution/executor.js';
import type { RigidMotionPlanner } from '../planning/rigid-planner.js';
import type { Nanoseconds } from '../core/time.js';
import type { ForecastResult } from './forecast-result.js';
import type { PlannedChunk, PlanningStage, RobotMoment } from './planning-stage.js';

export interface RigidStageOptions {
  /** Whose pictures set the pace. */
  readonly camera: string;
  readonly gripper: GripperConvention;
  /** Whether anybody waits for a chunk. */
  readonly isWanted: () => boolean;
}

/** The rigid-motion planner on the bus: it learns from forecasts and from what was executed, and plans when a chunk is wanted. */
export class RigidStage implements PlanningStage {
  readonly results: Observable<PlannedChunk>;
  readonly failures: Observable<unknown>;
  readonly observed: Observable<Nanoseconds>;
  readonly #planner: RigidMotionPlanner;
  readonly #options: RigidStageOptions;
  readonly #results = new Subject<PlannedChunk>();
  readonly #observed = new Subject<Nanoseconds>();
  readonly #failures = new Subject<unknown>();
  #instruction: string | null = null;

  constructor(planner: RigidMotionPlanner, options: RigidStageOptions) {
    this.#planner = planner;
    this.#options = options;
    this.results = this.#results.asObservable();
    this.failures = this.#failures.asObservable();
    this.observed = this.#observed.asObservable();
  }

  sawForecast({ forecast, query, cameraInBase, observation }: ForecastResult): void {
    if (cameraInBase && observation.instruction === this.#instruction)
      this.#planner.saw({ forecast, cameraInBase, surface: query.surface ?? [] });
  }

  sawCommand({ step }: Command): void {
    if (step) this.#planner.executed(step.chunk, step.index);
  }

  addFrame(frame: CameraFrame, { joints, gripper, instruction }: RobotMoment): void {
    if (frame.camera !== this.#options.camera) return;
    if (this.#instruction !== instruction) this.#planner.reset();
    this.#instruction = instruction;
    if (joints && gripper !== null) this.#observed.next(frame.stamp);
    if (!this.#options.isWanted()) return;
    const start = performance.now();
    try {
      if (!joints || gripper === null) throw noState();
      const chunk = this.#planner.plan({
        stamp: frame.stamp,
        joints: joints.positions,
        gripperWidthM: widthOfState(gripper, this.#options.gripper),
        instruction,
      });
      if (chunk) this.#results.next({ chunk, timings: { total: performance.now() - start } });
    } catch (error) {
      this.#failures.next(error);
    }
  }

  get isDone(): boolean {
    return this.#planner.isDone;
  }

  /** It holds the object, and would carry it next. */
  isHolding(gripperWidthM: number): boolean {
    return this.#planner.isHolding(gripperWidthM);
  }

  settle(): undefined {
    return undefined;
  }

  restart(): void {
    this.#planner.reset();
  }

  clear(): void {
    this.#planner.reset();
  }

  close(): Promise<void> {
    this.#results.complete();
    this.#failures.complete();
    this.#observed.complete();
    return Promise.resolve();
  }
}

function noState(): RetryableError {
  return new RetryableError({
    code: 'plan.no-state',
    message: 'no joint state of the arm and its gripper has come, from which a plan could begin',
    remedy: 'publish it on the joint state topic',
  });
}
