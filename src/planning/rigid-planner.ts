import { vec3 } from 'gl-matrix';
import type { ActionChunk } from '../core/action-chunk.js';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import type { Forecast } from '../core/forecast.js';
import type { GripperConvention } from '../core/gripper.js';
import type { Nanoseconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { transformPoint, type Transform } from '../geometry/transform.js';
import { followPoses, poseError, ROUGHLY, toolPose } from './inverse-kinematics.js';
import { carriedPoses, rigidMotionOf } from './rigid-motion.js';
import { raised, straightTo, timed, type ToolArm } from './tool-path.js';
import { topGrasps, type TopGrasp } from './top-grasp.js';

/** A forecast with what a plan needs besides. */
export interface SeenForecast {
  readonly forecast: Forecast;
  /** Pose of the forecast's frame in the arm's base. */
  readonly cameraInBase: Transform;
  /** What the camera sees of the object at t0, in the forecast's frame, metres; empty where nobody knows its outline. */
  readonly surface: readonly Vector3[];
}

/** The robot as it was observed. */
export interface RobotState {
  readonly stamp: Nanoseconds;
  /** Radians. */
  readonly joints: readonly number[];
  readonly gripperWidthM: number;
  readonly instruction: string;
}

/** What is to be done next: the object is to be grasped, or carried along its forecast until that says that it stays; or nothing. */
export type RigidPhase = 'grasp' | 'carry' | 'done';

export interface RigidPlannerOptions extends ToolArm {
  /** Steps of a chunk. */
  readonly horizon: number;
  readonly gripper: GripperConvention;
  /** Steps of a chunk whose time is over when it comes: a motion begins behind them. */
  readonly leadSteps: number;
}

/** Of the tool, metres a second. */
const SPEED = { free: 0.3, careful: 0.12 };
const ABOVE_M = 0.1;
const RETREAT_M = 0.14;
/** Of the Franka hand's fingers beyond the tool centre. */
const FINGERTIP_M = 0.012;
/** Settling takes a soft arm three times the 0.1 s by which it lags: fingers that close before that push a round thing away. */
const TICKS = { settle: 5, close: 8, open: 6 };
/** A gripper that closes further than this holds nothing, metres. */
const EMPTY_M = 0.006;

/** Whether a gripper that was told to close has closed on nothing. */
export function isEmpty(gripperWidthM: number): boolean {
  return gripperWidthM < EMPTY_M;
}

/** An object that is forecast to go no further than this from where it is has arrived. */
const ARRIVED_M = 0.012;
/** Within this of where a forecast ends, the object rests. */
const RESTING_M = 0.002;
const ATTEMPTS = 3;
/** Of a forecast every n-th step is looked at to find out whether a grasp can follow it. */
const PASSED_STRIDE = 6;
/** A forecast of a model trembles: motions are averaged over so many steps to each side. */
const SMOOTHING = 1;

type Steps = readonly (readonly number[])[];

/**
 * A manipulation planner that needs no action head: it grasps what it sees of the object from above, and then carries the object along its forecast as
 * one rigid motion. Chunks are windows of what it has planned; which of their steps were executed, it is told.
 */
export class RigidMotionPlanner {
  readonly name = 'rigid';
  readonly #options: RigidPlannerOptions;
  #phase: RigidPhase = 'grasp';
  /** Action vectors, and the next of them. */
  #program: Steps = [];
  #next = 0;
  /** Where the arm was last sent; null before that. */
  #sent: readonly number[] | null = null;
  #attempts = 0;
  #seen: SeenForecast | null = null;
  /** When the last program was over: what was seen before says nothing about what has changed since. */
  #since: Nanoseconds | null = null;
  /** Chunks of the program, with the step of it that they begin at: one may still be executed when the next is made. */
  readonly #chunks = new Map<ActionChunk, number>();

  constructor(options: RigidPlannerOptions) {
    this.#options = options;
  }

  get phase(): RigidPhase {
    return this.#phase;
  }

  get isDone(): boolean {
    return this.#phase === 'done' && this.#next >= this.#program.length;
  }

  /** The object was grasped, the gripper did not close on nothing, and all of that motion is over: the next one would carry it. */
  isHolding(gripperWidthM: number): boolean {
    return this.#phase === 'carry' && this.#next >= this.#program.length && !isEmpty(gripperWidthM);
  }

  saw(seen: SeenForecast): void {
    this.#seen = seen;
  }

  /** Of a chunk that was given out, up to this step. */
  executed(chunk: ActionChunk, index: number): void {
    const from = this.#chunks.get(chunk);
    if (from !== undefined) this.#next = Math.max(this.#next, from + index + 1);
  }

  /**
   * The next steps; null while a forecast is waited for, and when all is done.
   * @throws InputError `plan.*` where there is no way, `plan.attempts` when the object was missed again and again.
   */
  plan(robot: RobotState): ActionChunk | null {
    if (this.#next >= this.#program.length) {
      const program = this.#nextProgram(robot);
      if (!program) return null;
      const waiting = this.#program.at(-1) ?? [...robot.joints, 0];
      this.#program = [...repeated(waiting, this.#options.leadSteps), ...program];
      this.#next = 0;
      this.#chunks.clear();
      this.#sent = program.at(-1)!.slice(0, -1);
    }
    const { horizon, limits } = this.#options;
    const last = this.#program.length - 1;
    const chunk: ActionChunk = {
      planner: this.name,
      stamp: robot.stamp,
      stepS: limits.options.periodS,
      instruction: robot.instruction,
      steps: Array.from({ length: horizon }, (_, k) => this.#program[Math.min(this.#next + k, last)]!),
    };
    this.#chunks.set(chunk, this.#next);
    return chunk;
  }

  /** Forgets everything: another task, or another run. */
  reset(): void {
    this.#phase = 'grasp';
    this.#program = [];
    this.#next = 0;
    this.#sent = null;
    this.#attempts = 0;
    this.#seen = null;
    this.#since = null;
    this.#chunks.clear();
  }

  #nextProgram({ stamp, joints: measured, gripperWidthM }: RobotState): Steps | null {
    this.#since ??= stamp;
    const joints = this.#sent ?? measured;
    const seen = this.#seen && this.#seen.forecast.stamp >= this.#since ? this.#seen : null;
    switch (this.#phase) {
      case 'grasp':
        return seen && this.#then('carry', this.#grasp(joints, seen));
      case 'carry': {
        if (isEmpty(gripperWidthM)) {
          if (this.#attempts + 1 >= ATTEMPTS) throw missed();
          this.#attempts++;
          return this.#then('grasp', this.#letGo(joints));
        }
        const way = seen && this.#carry(joints, seen);
        if (!way) return null;
        return way.length > 0 ? this.#then('carry', way) : this.#then('done', this.#letGo(joints));
      }
      case 'done':
        return null;
    }
  }

  #then(phase: RigidPhase, program: Steps): Steps {
    this.#phase = phase;
    this.#since = null;
    return program;
  }

  /** Above the object, down, and close: by the grasp that turns the tool least of those with which it can follow the forecast. */
  #grasp(joints: readonly number[], seen: SeenForecast): Steps {
    const { arm, tool, gripper } = this.#options;
    const surface = seen.surface.map((point) => transformPoint(seen.cameraInBase, point));
    const grasps = topGrasps(surface, { openWidthM: gripper.openWidthM, fingertipM: FINGERTIP_M });
    const now = toolPose(joints, tool);
    const turn = ({ pose }: TopGrasp): number => poseError(now, pose).rad;
    const best = [...grasps]
      .sort((a, b) => turn(a) - turn(b))
      .find(({ pose }) => canFollow(arm, [raised(pose, ABOVE_M), pose, ...this.#passed(pose, seen)], joints, tool));
    if (!best) throw unreachable(arm.name, grasps[0]!);
    const above = straightTo(this.#options, joints, raised(best.pose, ABOVE_M), SPEED.free);
    const down = straightTo(this.#options, above.at(-1)!, best.pose, SPEED.careful);
    return [
      ...this.#open([...above, ...down]),
      ...this.#open(repeated(down.at(-1)!, TICKS.settle)),
      ...this.#shut(repeated(down.at(-1)!, TICKS.close)),
    ];
  }

  /** Along the forecast as far as it goes; no steps when the object is where it should be. */
  #carry(joints: readonly number[], seen: SeenForecast): Steps {
    const { arm, limits, tool } = this.#options;
    const poses = this.#carriedFrom(toolPose(joints, tool), seen);
    if (poses.length === 0) return [];
    const { positions } = followPoses(arm, poses, joints, { tool });
    return this.#shut(timed(limits, positions, seen.forecast.stepS));
  }

  #letGo(joints: readonly number[]): Steps {
    const up = raised(toolPose(joints, this.#options.tool), RETREAT_M);
    return this.#open([...repeated(joints, TICKS.open), ...straightTo(this.#options, joints, up, SPEED.free)]);
  }

  /** Poses of a tool that holds the object, up to where the forecast has it arrive; none when that is where it is. */
  #carriedFrom(pose: Transform, { forecast, cameraInBase }: SeenForecast): readonly Transform[] {
    const motion = rigidMotionOf(forecast.start, forecast.positions, { smoothing: SMOOTHING });
    const centre = centreOf(forecast.start);
    const way = motion.motions.map((moved) => transformPoint(moved, centre));
    const end = way.at(-1)!;
    if (way.every((point) => vec3.distance(point, centre) <= ARRIVED_M)) return [];
    // A forecast that ends at rest need not be waited for to its end.
    const arrived = way.findLastIndex((point) => vec3.distance(point, end) > RESTING_M) + 1;
    return carriedPoses({ ...motion, motions: motion.motions.slice(0, arrived + 1) }, pose, cameraInBase);
  }

  /** Some of the poses on the way, and its end. */
  #passed(pose: Transform, seen: SeenForecast): readonly Transform[] {
    const way = this.#carriedFrom(pose, seen);
    return way.filter((_, f) => f % PASSED_STRIDE === PASSED_STRIDE - 1 || f === way.length - 1);
  }

  #open(positions: Steps): Steps {
    return positions.map((q) => [...q, 0]);
  }

  #shut(positions: Steps): Steps {
    return positions.map((q) => [...q, this.#options.gripper.closedCommand]);
  }
}

function canFollow(arm: Arm, way: readonly Transform[], joints: readonly number[], tool: Transform): boolean {
  try {
    followPoses(arm, way, joints, { tool, ...ROUGHLY });
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

function centreOf(points: readonly Vector3[]): Vector3 {
  const sum: [number, number, number] = [0, 0, 0];
  for (const point of points) vec3.add(sum, sum, point);
  return vec3.scale(sum, sum, 1 / points.length);
}

function repeated(step: readonly number[], ticks: number): Steps {
  return Array.from({ length: ticks }, () => step);
}

function unreachable(arm: string, { pose: { translation } }: TopGrasp): InputError {
  return new InputError({
    code: 'plan.grasp',
    message: `the ${arm} cannot grasp the object at (${translation.map((x) => x.toFixed(2)).join(', ')}) m from above and carry it as forecast`,
    remedy: 'move the object nearer to the middle of the reach of the arm',
  });
}

function missed(): InputError {
  return new InputError({
    code: 'plan.attempts',
    message: `the gripper closed on nothing ${ATTEMPTS} times`,
    remedy: 'check the calibration of the camera, its depth, and that the object is not wider than the gripper opens',
  });
}
