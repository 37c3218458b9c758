import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import { FRANKA_HAND, stateOfWidth } from '../core/gripper.js';
import type { RgbImage } from '../core/images.js';
import { seededRandom } from '../core/random.js';
import type { Vector3 } from '../core/vector.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import type { Transform } from '../geometry/transform.js';
import { toolPose } from '../planning/inverse-kinematics.js';
import { straightTo } from '../planning/tool-path.js';
import { CARRY_M, carryLegs, gripOf, nextCommands, poseThatHolds, releaseHeightM, type Grip } from './carrying.js';
import { graspCommands, OPEN_M, standing, TOOL_SPEED, WAIT_TICKS, type ExpertCommand, type Phase } from './expert.js';
import { drawTrainingScene } from './draw-scene.js';
import { Renderer } from './renderer.js';
import type { Scene, SceneReceptacle } from './scene.js';
import type { SceneConfig } from './scene-config.js';
import { Simulation } from './simulation.js';
import { judge } from './success.js';

/** Moments of disturbed executions, for training: what cameras see, where things are, and what the expert would do next for each receptacle. */

export interface MomentOptions {
  /** Control steps between two moments while the object is held; before that three times as many. */
  readonly stride: number;
  /** Largest disturbance of a joint while the object is carried, radians. */
  readonly noiseRad: number;
  /** Places that the object is carried to before it goes to its receptacle. */
  readonly detours: number;
  /** Only these are remembered. */
  readonly phases: readonly Phase[];
}

export interface Moment {
  readonly phase: Phase;
  /** Both fingers touch the object of the task. */
  readonly isHeld: boolean;
  /** Joints, radians, and the gripper's state, as policies have them. */
  readonly state: readonly number[];
  /** Of each object of the scene, in their order. */
  readonly objects: readonly Transform[];
  /** Of each camera's optical frame, in their order. */
  readonly cameras: readonly Transform[];
  /**
   * For each receptacle in their order: the next commands (seven joints, radians, and the gripper's, 0 open, 255 closed) that bring the held object
   * there; null where the arm cannot, and for all before it is held.
   */
  readonly next: readonly (readonly (readonly number[])[] | null)[];
  /** From each camera, in their order. */
  readonly pictures: readonly RgbImage[];
}

export interface Moments {
  readonly scene: Scene;
  readonly moments: readonly Moment[];
  /** Why the object did not get where it belongs; null for a success. */
  readonly failure: string | null;
}

/** Control steps a second, as the published policies have them. */
const PERIOD_S = 1 / 15;
const HORIZON = 16;
/** An object that hangs lower than this is not disturbed; higher by the second it is disturbed fully, metres. */
const QUIET = { belowM: 0.04, rampM: 0.06 };
const SETTLING_TICKS = 8;
const CLOSED_M = 0.04;

/** The moments of a seed. Rejects with InputError `plan.*` where the expert cannot do it. */
export async function recordMoments(
  arm: Arm,
  config: SceneConfig,
  seed: number,
  options: MomentOptions,
): Promise<Moments> {
  const scene = drawTrainingScene(config, seed);
  const simulation = await Simulation.create(arm, scene);
  try {
    const recorder = new MomentRecorder(arm, simulation, seed, options);
    for (const command of disturbedCommands(arm, simulation, recorder, options)) recorder.execute(command);
    for (let tick = 0; tick < SETTLING_TICKS; tick++) simulation.advance(PERIOD_S);
    return { scene, moments: recorder.moments, failure: judge(simulation).failure };
  } finally {
    simulation.close();
  }
}

/** Grasps as the expert does, carries the object here and there, shaken, and then to its receptacle. */
function* disturbedCommands(
  arm: Arm,
  simulation: Simulation,
  recorder: MomentRecorder,
  { detours, noiseRad }: MomentOptions,
): Generator<ExpertCommand> {
  const { scene } = simulation;
  const { random } = recorder;
  const vary = (size: number): number => size * (2 * random() - 1);
  const object = scene.objects.find(({ name }) => name === scene.task.object)!;
  const receptacle = scene.receptacles.find(({ name }) => name === scene.task.receptacle)!;
  const motion = standing(arm, simulation.joints.positions, PERIOD_S, 1);
  yield* graspCommands(motion, simulation, vary);
  const gripNow = (): Grip =>
    gripOf(
      toolPose(simulation.joints.positions, FRANKA_HAND_TCP),
      simulation.poseOf(object.name).translation,
      object.halfSize[2],
    );
  recorder.grip = gripNow();
  const reach = function* (phase: Phase, goal: Transform, speed: number): Generator<ExpertCommand> {
    const planned = straightTo(motion, motion.joints, goal, speed);
    for (const { positions } of disturbed(planned, noiseRad, random, recorder)) {
      motion.joints = positions;
      yield { phase, positions, gripperWidthM: 0 };
    }
    recorder.grip = gripNow();
  };
  for (let detour = 0; detour < detours; detour++) {
    for (const lowest of detourOf(scene, random)) {
      const tool = toolPose(motion.joints, FRANKA_HAND_TCP);
      try {
        yield* reach('preplace', poseThatHolds(tool, recorder.grip, lowest), TOOL_SPEED.free);
      } catch (error) {
        // A place out of reach is no place to go by.
        if (!(error instanceof InputError)) throw error;
      }
    }
  }
  for (const { phase, goal, speed } of carryLegs(toolPose(motion.joints, FRANKA_HAND_TCP), recorder.grip, receptacle))
    yield* reach(phase, goal, speed);
  const rest = WAIT_TICKS.open + Math.ceil(0.14 / (TOOL_SPEED.free * PERIOD_S));
  yield* nextCommands(arm, motion.joints, 0, recorder.grip, receptacle, true, PERIOD_S, rest);
}

/** By way of these places of its lowest point: anywhere above the table, or down into some receptacle, or beside its middle. */
function detourOf({ receptacles }: Scene, random: () => number): readonly Vector3[] {
  const between = (low: number, high: number): number => low + (high - low) * random();
  if (random() < 0.5) return [[between(0.34, 0.68), between(-0.3, 0.28), between(0.06, 0.24)]];
  const { position, ...receptacle } = receptacles[Math.floor(receptacles.length * random())]!;
  const x = position[0] + between(-0.03, 0.03);
  const y = position[1] + between(-0.03, 0.03);
  const low = releaseHeightM({ position, ...receptacle });
  return [
    [x, y, between(CARRY_M - 0.03, CARRY_M + 0.03)],
    [x, y, between(low + 0.005, CARRY_M)],
    [x, y, CARRY_M],
  ];
}

/** Leaves the plan in the middle of it and comes back to it at its end. */
function* disturbed(
  planned: readonly (readonly number[])[],
  noiseRad: number,
  random: () => number,
  recorder: MomentRecorder,
): Generator<{ readonly positions: readonly number[] }> {
  const waves = planned[0]!.map(() => [noiseRad * (2 * random() - 1), noiseRad * (random() - 0.5)] as const);
  for (const [i, positions] of planned.entries()) {
    const angle = (Math.PI * (i + 1)) / planned.length;
    const height = Math.min(1, Math.max(0, (recorder.lowestM - QUIET.belowM) / QUIET.rampM));
    yield {
      positions: positions.map((q, j) => {
        const [once, twice] = waves[j]!;
        return q + height * (once * Math.sin(angle) + twice * Math.sin(2 * angle));
      }),
    };
  }
}

/** Executes commands and remembers moments between them. */
class MomentRecorder {
  readonly moments: Moment[] = [];
  readonly random: () => number;
  /** Known once the object is held. */
  grip: Grip = { hangs: [0, 0, 0], halfHeightM: 0 };
  readonly #arm: Arm;
  readonly #simulation: Simulation;
  readonly #options: MomentOptions;
  readonly #renderer = new Renderer();
  #ticksToNext: number;
  #commanded: readonly number[];
  #wasHeld = false;

  constructor(arm: Arm, simulation: Simulation, seed: number, options: MomentOptions) {
    this.#arm = arm;
    this.#simulation = simulation;
    this.#options = options;
    this.random = seededRandom(seed);
    this.#commanded = simulation.joints.positions;
    this.#ticksToNext = Math.floor(3 * options.stride * this.random());
  }

  /** Of the object, above the table. */
  get lowestM(): number {
    const { scene } = this.#simulation;
    const object = scene.objects.find(({ name }) => name === scene.task.object)!;
    return this.#simulation.poseOf(object.name).translation[2] - object.halfSize[2];
  }

  execute(command: ExpertCommand): void {
    const isHeld = this.#simulation.isHeld(this.#simulation.scene.task.object);
    // The moment in which the object is first held is one of those that a policy begins with.
    if (isHeld && !this.#wasHeld) this.#ticksToNext = 0;
    this.#wasHeld ||= isHeld;
    if (this.#ticksToNext-- <= 0) {
      if (this.#options.phases.includes(command.phase)) this.moments.push(this.#moment(command.phase, isHeld));
      const stride = this.#wasHeld ? this.#options.stride : 3 * this.#options.stride;
      this.#ticksToNext = Math.floor(stride * (0.5 + this.random()));
    }
    this.#simulation.moveArm(command.positions, PERIOD_S);
    this.#simulation.moveGripper(command.gripperWidthM);
    this.#simulation.advance(PERIOD_S);
    this.#commanded = command.positions;
  }

  #moment(phase: Phase, isHeld: boolean): Moment {
    const { scene, gripperWidthM, joints } = this.#simulation;
    const views = scene.cameras.map((camera) => this.#simulation.view(camera));
    return {
      phase,
      isHeld,
      state: [...joints.positions, stateOfWidth(gripperWidthM, FRANKA_HAND)],
      objects: scene.objects.map(({ name }) => this.#simulation.poseOf(name)),
      cameras: views.map(({ pose }) => pose),
      next: scene.receptacles.map((receptacle) => this.#next(receptacle, isHeld)),
      pictures: this.#renderer.render(this.#simulation.geoms(), views, scene.light).map(({ color }) => color),
    };
  }

  #next(receptacle: SceneReceptacle, isHeld: boolean): (readonly number[])[] | null {
    const { scene, gripperWidthM } = this.#simulation;
    // Once it is let go, only the receptacle that it lies in can have been meant.
    if (!this.#wasHeld || (!isHeld && receptacle.name !== scene.task.receptacle)) return null;
    try {
      return nextCommands(
        this.#arm,
        this.#commanded,
        isHeld ? 0 : Math.min(OPEN_M, gripperWidthM),
        this.grip,
        receptacle,
        isHeld,
        PERIOD_S,
        HORIZON,
      ).map((command) => [...command.positions, command.gripperWidthM < CLOSED_M ? FRANKA_HAND.closedCommand : 0]);
    } catch (error) {
      if (error instanceof InputError) return null;
      throw error;
    }
  }
}
