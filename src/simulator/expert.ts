import { vec3 } from 'gl-matrix';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import { seededRandom } from '../core/random.js';
import type { Vector3 } from '../core/vector.js';
import { prepareLimits } from '../execution/limiter.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import type { Transform } from '../geometry/transform.js';
import { followPoses, ROUGHLY, toolPose } from '../planning/inverse-kinematics.js';
import { raised, straightTo, timed, type ToolArm } from '../planning/tool-path.js';
import { downTurned } from '../planning/top-grasp.js';
import { WALL_M, type SceneObject, type SceneReceptacle } from './scene.js';
import type { Simulation } from './simulation.js';

/** Phases of a pick-and-place, as MolmoSpaces numbers them. */
export const PHASES = {
  unknown: 0,
  'gripper-open': 1,
  pregrasp: 2,
  grasp: 3,
  'gripper-close': 4,
  lift: 5,
  preplace: 6,
  place: 7,
  retreat: 8,
  go_home: 9,
} as const;
export type Phase = keyof typeof PHASES;

/** What the expert commands for one control step. */
export interface ExpertCommand {
  readonly phase: Phase;
  readonly positions: readonly number[];
  readonly gripperWidthM: number;
}

/** Between the fingers. */
export const OPEN_M = 0.08;
const CLEARANCE_M = 0.1;
/** Heights of the lift, the first that the arm can do. */
const LIFTS_M = [0.16, 0.12, 0.09];
/** Of the fingers' ends above the table. */
const LEAST_HEIGHT_M = 0.014;
/** Metres a second. */
export const TOOL_SPEED = { free: 0.3, careful: 0.12 };
export const WAIT_TICKS = { close: 6, open: 5, settle: 2 };

/**
 * Picks the object of the task and puts it into its receptacle, from where things stand when each phase begins. It knows the simulation's state; it
 * is what data are recorded from, and no part of a policy. Small variations by seed: where it grasps, how high it lifts, how fast it goes.
 * @yields one command for each control step; the caller advances the simulation between them.
 * @throws InputError `plan.*` where the arm cannot follow.
 */
export function* expertCommands(
  arm: Arm,
  simulation: Simulation,
  periodS: number,
  seed: number,
): Generator<ExpertCommand> {
  const { scene } = simulation;
  const object = scene.objects.find(({ name }) => name === scene.task.object)!;
  const receptacle = scene.receptacles.find(({ name }) => name === scene.task.receptacle)!;
  const home = simulation.joints.positions;
  const random = seededRandom(seed);
  const vary = (size: number): number => size * (2 * random() - 1);
  const state = standing(arm, home, periodS, 0.85 + 0.3 * random());
  const { grasp, liftM } = yield* graspCommands(state, simulation, vary);
  yield* reach(state, 'lift', raised(grasp, liftM), TOOL_SPEED.free);

  // Where the object hangs in the gripper decides where the gripper goes.
  const held = simulation.poseOf(object.name).translation;
  const tool = toolPose(state.joints, FRANKA_HAND_TCP);
  const hangs: Vector3 = [held[0] - tool.translation[0], held[1] - tool.translation[1], 0];
  const [x, y] = receptacle.position;
  const room = Math.max(0, receptacle.radius - WALL_M - Math.hypot(object.halfSize[0], object.halfSize[1]));
  const over: Transform = {
    translation: [x - hangs[0] + vary(0.3 * room), y - hangs[1] + vary(0.3 * room), tool.translation[2]],
    rotation: tool.rotation,
  };
  yield* reach(state, 'preplace', over, TOOL_SPEED.free);
  const bottom = held[2] - tool.translation[2] - object.halfSize[2];
  const low: Transform = {
    ...over,
    translation: [over.translation[0], over.translation[1], Math.max(receptacle.height * 0.4, WALL_M) + 0.012 - bottom],
  };
  yield* reach(state, 'place', low, TOOL_SPEED.careful);
  state.width = OPEN_M;
  yield* hold(state, 'place', WAIT_TICKS.open);
  yield* reach(state, 'retreat', raised(low, CLEARANCE_M + 0.04), TOOL_SPEED.free);
  yield* alongJoints(state, 'go_home', home);
  yield* hold(state, 'go_home', WAIT_TICKS.settle);
}

/** An arm under way, as it was last commanded. */
export interface Motion extends ToolArm {
  joints: readonly number[];
  width: number;
  /** Times as fast as usual. */
  readonly pace: number;
}

/** An arm that stands at these joints, its gripper open. */
export function standing(arm: Arm, joints: readonly number[], periodS: number, pace: number): Motion {
  const limits = prepareLimits(arm, { periodS, maxDeltaRad: null });
  return { arm, limits, tool: FRANKA_HAND_TCP, joints, width: OPEN_M, pace };
}

/**
 * Grasps the object of the task: above it, down, and close.
 * @param vary draws a number from -size to size: how much grasps differ. @throws InputError `plan.*`.
 */
export function* graspCommands(
  state: Motion,
  simulation: Simulation,
  vary: (size: number) => number,
): Generator<ExpertCommand, Grasp> {
  const { objects, receptacles, task } = simulation.scene;
  const object = objects.find(({ name }) => name === task.object)!;
  const receptacle = receptacles.find(({ name }) => name === task.receptacle)!;
  yield* hold(state, 'gripper-open', 1);
  const found = graspOf(state.arm, simulation, object, receptacle, state, vary);
  yield* reach(state, 'pregrasp', raised(found.grasp, CLEARANCE_M + vary(0.02)), TOOL_SPEED.free);
  yield* reach(state, 'grasp', found.grasp, TOOL_SPEED.careful);
  yield* hold(state, 'grasp', WAIT_TICKS.settle);
  state.width = 0;
  yield* hold(state, 'gripper-close', WAIT_TICKS.close);
  return found;
}

/** A way to grasp an object, and how high it can then be lifted. */
export interface Grasp {
  readonly grasp: Transform;
  readonly liftM: number;
}

/** From above, across the object's narrower side, the way that turns the hand least and can be carried on to the receptacle. */
function graspOf(
  arm: Arm,
  simulation: Simulation,
  object: SceneObject,
  receptacle: SceneReceptacle,
  state: Motion,
  vary: (size: number) => number,
): Grasp {
  const pose = simulation.poseOf(object.name);
  const [w, d, h] = object.halfSize;
  const [x, y, z] = pose.translation;
  const height = Math.max(LEAST_HEIGHT_M, z + h - Math.max(0.016, Math.min(h, 0.03)) + vary(0.003));
  const axis = vec3.transformQuat([0, 0, 0], [1, 0, 0], pose.rotation);
  const yaw = Math.atan2(axis[1], axis[0]);
  // The fingers close along the tool's y: across the width where that is the smaller. Round things are grasped from anywhere.
  const across = w <= d ? yaw + Math.PI / 2 : yaw;
  const isSquare = object.geometry === 'box' && w === d;
  const turns =
    object.geometry === 'box'
      ? [0, Math.PI, ...(isSquare ? [Math.PI / 2, -Math.PI / 2] : [])].map((turn) => across + turn)
      : [0, 0.5, -0.5, 1, -1, 1.5, -1.5];
  const noise = { yaw: vary(0.03), x: vary(0.002), y: vary(0.002), lift: vary(0.015) };
  for (const lift of LIFTS_M) {
    const ranked = turns.flatMap((turn) => {
      const grasp: Transform = {
        translation: [x + noise.x, y + noise.y, height],
        rotation: downTurned(turn + noise.yaw),
      };
      const liftM = lift + noise.lift;
      const up = raised(grasp, liftM);
      const over: Transform = {
        ...up,
        translation: [receptacle.position[0], receptacle.position[1], up.translation[2]],
      };
      const way = [raised(grasp, CLEARANCE_M), grasp, up, over, raised(over, 0.06 - liftM)];
      const turned = turnOnTheWay(arm, way, state.joints);
      return turned === null ? [] : [{ grasp, liftM, turned }];
    });
    ranked.sort((a, b) => a.turned - b.turned);
    if (ranked[0]) return ranked[0];
  }
  throw new InputError({
    code: 'plan.grasp',
    message: `the ${object.label} at (${x.toFixed(2)}, ${y.toFixed(2)}) cannot be grasped from above and carried to the ${receptacle.label}`,
    remedy: 'leave this scene out, or keep objects nearer to the middle of the table',
  });
}

/** How far the last joint goes on a way, radians; null where the arm cannot follow it. */
function turnOnTheWay(arm: Arm, way: readonly Transform[], joints: readonly number[]): number | null {
  try {
    const { positions } = followPoses(arm, way, joints, { tool: FRANKA_HAND_TCP, ...ROUGHLY });
    return Math.max(...positions.map((q) => Math.abs(q[6]! - joints[6]!)));
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

function* hold(state: Motion, phase: Phase, ticks: number): Generator<ExpertCommand> {
  for (let i = 0; i < ticks; i++) yield { phase, positions: state.joints, gripperWidthM: state.width };
}

export function* reach(state: Motion, phase: Phase, goal: Transform, speed: number): Generator<ExpertCommand> {
  yield* follow(state, phase, straightTo(state, state.joints, goal, speed * state.pace));
}

function* alongJoints(state: Motion, phase: Phase, goal: readonly number[]): Generator<ExpertCommand> {
  const from = state.joints;
  const most = Math.max(...goal.map((q, j) => Math.abs(q - from[j]!)));
  const steps = Math.max(4, Math.ceil(most / 0.05));
  const positions = Array.from({ length: steps + 1 }, (_, i) => from.map((q, j) => q + ((goal[j]! - q) * i) / steps));
  yield* follow(state, phase, timed(state.limits, positions, Math.max(most / 0.9, 0.5) / steps));
}

function* follow(state: Motion, phase: Phase, commands: readonly (readonly number[])[]): Generator<ExpertCommand> {
  for (const positions of commands) {
    state.joints = positions;
    yield { phase, positions, gripperWidthM: state.width };
  }
}
