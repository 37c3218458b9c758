import type { Arm } from '../core/arm.js';
import type { Vector3 } from '../core/vector.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import { interpolate, invert, transformPoint, type Transform } from '../geometry/transform.js';
import { followPoses, toolPose } from '../planning/inverse-kinematics.js';
import { raised } from '../planning/tool-path.js';
import { downTurned } from '../planning/top-grasp.js';
import { OPEN_M, TOOL_SPEED, WAIT_TICKS, type ExpertCommand, type Phase } from './expert.js';
import { WALL_M, type SceneReceptacle } from './scene.js';

/** The way of an object that is held to a receptacle, from wherever it is. Metres, radians, the arm's base frame. */

/** How an object hangs in the gripper. */
export interface Grip {
  /** Its centre in the frame of the tool. */
  readonly hangs: Vector3;
  /** From its centre down to its lowest point. */
  readonly halfHeightM: number;
}

/** A straight piece of the way of the tool. */
export interface Leg {
  readonly phase: Phase;
  readonly goal: Transform;
  /** Metres a second. */
  readonly speed: number;
}

/** Height of an object's lowest point while it is carried from one place to another. */
export const CARRY_M = 0.16;
/** Within this of the receptacle's middle the object goes straight down. */
export const COLUMN_M = 0.025;
/** A lift by less than this is no leg of its own. */
const LEAST_LIFT_M = 0.01;
const RETREAT_M = 0.14;

/** Of an object that the tool holds at `held`. */
export function gripOf(tool: Transform, held: Vector3, halfHeightM: number): Grip {
  return { hangs: transformPoint(invert(tool), held), halfHeightM };
}

/** Height at which the lowest point of an object is let go. */
export function releaseHeightM({ height }: SceneReceptacle): number {
  return Math.max(height * 0.4, WALL_M) + 0.012;
}

/** The tool's pose, upright and turned about the vertical as it is, that holds the object's lowest point at a place. */
export function poseThatHolds(tool: Transform, grip: Grip, lowest: Vector3): Transform {
  const [x, y] = turned(tool, [1, 0, 0]);
  const rotation = downTurned(Math.atan2(y, x));
  const hangs = turned({ ...tool, rotation }, grip.hangs);
  return {
    translation: [lowest[0] - hangs[0], lowest[1] - hangs[1], lowest[2] + grip.halfHeightM - hangs[2]],
    rotation,
  };
}

/** A direction of the tool, in the base. */
function turned({ rotation }: Transform, direction: Vector3): Vector3 {
  return transformPoint({ translation: [0, 0, 0], rotation }, direction);
}

/** Up to the height of carrying, over the receptacle, and down into it; what is done already is left out. */
export function carryLegs(tool: Transform, grip: Grip, receptacle: SceneReceptacle): readonly Leg[] {
  const hangs = turned(tool, grip.hangs);
  const [x, y] = [tool.translation[0] + hangs[0], tool.translation[1] + hangs[1]];
  const lowest = tool.translation[2] + hangs[2] - grip.halfHeightM;
  const [goalX, goalY] = receptacle.position;
  const at = (lowestX: number, lowestY: number, height: number): Transform =>
    poseThatHolds(tool, grip, [lowestX, lowestY, height]);
  const legs: Leg[] = [];
  if (Math.hypot(x - goalX, y - goalY) > COLUMN_M) {
    if (lowest < CARRY_M - LEAST_LIFT_M) legs.push({ phase: 'lift', goal: at(x, y, CARRY_M), speed: TOOL_SPEED.free });
    legs.push({ phase: 'preplace', goal: at(goalX, goalY, CARRY_M), speed: TOOL_SPEED.free });
  }
  legs.push({ phase: 'place', goal: at(goalX, goalY, releaseHeightM(receptacle)), speed: TOOL_SPEED.careful });
  return legs;
}

/**
 * What the expert would command next if an object is held, or has just been let go: at the speeds of the legs, without getting going and coming to rest,
 * since who sees a single picture cannot know how fast the arm is.
 * @param joints that the arm was last commanded. @param gripperWidthM as it is. @param count of commands; the last is repeated.
 * @throws InputError `plan.*` where the arm cannot follow.
 */
export function nextCommands(
  arm: Arm,
  joints: readonly number[],
  gripperWidthM: number,
  grip: Grip,
  receptacle: SceneReceptacle,
  isHeld: boolean,
  periodS: number,
  count: number,
): ExpertCommand[] {
  const commands: ExpertCommand[] = [];
  let at = joints;
  const go = ({ phase, goal, speed }: Leg, widthM: number): void => {
    const from = toolPose(at, FRANKA_HAND_TCP);
    const way = Math.hypot(...goal.translation.map((x, i) => x - from.translation[i as 0 | 1 | 2]));
    const steps = Math.max(1, Math.ceil(way / (speed * periodS)));
    const poses = Array.from({ length: Math.min(steps, count - commands.length) }, (_, i) =>
      interpolate(from, goal, (i + 1) / steps),
    );
    for (const positions of followPoses(arm, poses, at, { tool: FRANKA_HAND_TCP }).positions.slice(1)) {
      commands.push({ phase, positions, gripperWidthM: widthM });
      at = positions;
    }
  };
  const wait = (phase: Phase, ticks: number): void => {
    for (let i = 0; i < ticks; i++) commands.push({ phase, positions: at, gripperWidthM: OPEN_M });
  };
  const tool = toolPose(joints, FRANKA_HAND_TCP);
  if (isHeld) for (const leg of carryLegs(tool, grip, receptacle)) if (commands.length < count) go(leg, 0);
  const openS = isHeld ? 1 : Math.max(0, 1 - gripperWidthM / OPEN_M);
  wait('place', Math.ceil(WAIT_TICKS.open * openS));
  if (commands.length < count) {
    const low = poseThatHolds(tool, grip, [...receptacle.position.slice(0, 2), releaseHeightM(receptacle)] as never);
    go({ phase: 'retreat', goal: raised(low, RETREAT_M), speed: TOOL_SPEED.free }, OPEN_M);
  }
  wait('retreat', Math.max(0, count - commands.length));
  return commands.slice(0, count);
}
