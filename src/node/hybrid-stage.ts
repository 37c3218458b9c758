import { merge, type Observable } from 'rxjs';
import { widthOfState, type GripperConvention } from '../core/gripper.js';
import type { CameraFrame } from '../core/observation.js';
import type { Nanoseconds } from '../core/time.js';
import type { Command } from '../execution/executor.js';
import { isEmpty } from '../planning/rigid-planner.js';
import type { ForecastResult } from './forecast-result.js';
import type { PlannedChunk, PlanningStage, RobotMoment } from './planning-stage.js';
import type { PolicyStage } from './policy-stage.js';
import type { RigidStage } from './rigid-stage.js';

export interface HybridStageOptions {
  /** Camera whose pictures set the pace. */
  readonly camera: string;
  readonly gripper: GripperConvention;
  /** The gripper was told to close, and has had the time for it. */
  readonly isClosed: () => boolean;
}

/**
 * The robot evaluation of the MolmoMotion paper: the rigid-motion planner grasps, and once the object is held a policy carries and places it. The
 * hand-over happens while the arm rests with its gripper closed; the first step of the policy then begins from there under the same limits as any
 * other. An object that is lost on the way is grasped again.
 */
export class HybridStage implements PlanningStage {
  readonly results: Observable<PlannedChunk>;
  readonly failures: Observable<unknown>;
  readonly observed: Observable<Nanoseconds>;
  readonly isDone = false;
  readonly #rigid: RigidStage;
  readonly #policy: PolicyStage;
  readonly #options: HybridStageOptions;
  #turn: 'grasp' | 'carry' = 'grasp';
  #instruction: string | null = null;

  /** @param makePolicy given when it is the policy's turn. */
  constructor(rigid: RigidStage, makePolicy: (isCarrying: () => boolean) => PolicyStage, options: HybridStageOptions) {
    this.#rigid = rigid;
    this.#policy = makePolicy(() => this.#turn === 'carry');
    this.#options = options;
    this.results = merge(rigid.results, this.#policy.results);
    this.failures = merge(rigid.failures, this.#policy.failures);
    this.observed = rigid.observed;
  }

  /** Who plans at present. */
  get turn(): 'grasp' | 'carry' {
    return this.#turn;
  }

  addFrame(frame: CameraFrame, robot: RobotMoment): void {
    if (frame.camera === this.#options.camera) this.#decide(robot);
    if (this.#turn === 'grasp') this.#rigid.addFrame(frame, robot);
    // The policy needs the pictures before its turn, too: its first observation window reaches back.
    this.#policy.addFrame(frame, robot);
  }

  sawForecast(result: ForecastResult): void {
    this.#rigid.sawForecast(result);
  }

  sawCommand(command: Command): void {
    this.#rigid.sawCommand(command);
  }

  settle(): Promise<void> | undefined {
    return this.#policy.settle();
  }

  restart(): void {
    this.#graspAnew();
    this.#policy.restart();
  }

  clear(): void {
    this.#graspAnew();
    this.#policy.clear();
  }

  async close(): Promise<void> {
    await this.#rigid.close();
    await this.#policy.close();
  }

  #decide({ gripper, instruction }: RobotMoment): void {
    if (this.#instruction !== instruction) this.#graspAnew();
    this.#instruction = instruction;
    if (gripper === null) return;
    const widthM = widthOfState(gripper, this.#options.gripper);
    if (this.#turn === 'grasp') {
      if (this.#rigid.isHolding(widthM)) this.#turn = 'carry';
    } else if (this.#options.isClosed() && isEmpty(widthM)) this.#graspAnew();
  }

  #graspAnew(): void {
    this.#turn = 'grasp';
    this.#rigid.restart();
  }
}
