import { beforeEach, describe, expect, it } from '@jest/globals';
import { vec3 } from 'gl-matrix';
import type { ActionChunk } from '../../src/core/action-chunk.js';
import type { Forecast } from '../../src/core/forecast.js';
import { FRANKA_HAND } from '../../src/core/gripper.js';
import { fromSeconds } from '../../src/core/time.js';
import type { Vector3 } from '../../src/core/vector.js';
import { prepareLimits } from '../../src/execution/limiter.js';
import { loadArm } from '../../src/files/arm-file.js';
import { FRANKA_HAND_TCP } from '../../src/geometry/franka-kinematics.js';
import { IDENTITY } from '../../src/geometry/transform.js';
import { toolPose } from '../../src/planning/inverse-kinematics.js';
import { RigidMotionPlanner } from '../../src/planning/rigid-planner.js';

const arm = await loadArm('fr3');
const STEP_S = 1 / 15;
const START = [0, -0.6, 0, -2.3, 0, 1.75, 0.785];
const CUBE: Vector3[] = [0.01, 0.02, 0.04].flatMap((z) =>
  [-0.02, 0, 0.02].flatMap((dx) => [-0.02, 0, 0.02].map((dy): Vector3 => [0.5 + dx, 0.1 + dy, z])),
);
const QUERY = [CUBE[0]!, CUBE[8]!, CUBE[20]!, CUBE[24]!, CUBE[26]!];
const TOOL_TO = [0.45, -0.15, 0.12] as const;

/** The cube goes up, and to the side, over two seconds. */
const GOING = (k: number): Vector3 => {
  const share = Math.min(1, k / 24);
  return [-0.05 * share, -0.25 * share, 0.1 * Math.min(1, 3 * share)];
};
const STAYING = (): Vector3 => [0, 0, 0];

let planner: RigidMotionPlanner;
/** Where the arm was commanded last, and what time it is. */
let joints: readonly number[];
let ticks: number;
let gripper: number;

function makePlanner(leadSteps: number): RigidMotionPlanner {
  return new RigidMotionPlanner({
    arm,
    limits: prepareLimits(arm, { periodS: STEP_S }),
    tool: FRANKA_HAND_TCP,
    horizon: 16,
    gripper: FRANKA_HAND,
    leadSteps,
  });
}

beforeEach(() => {
  planner = makePlanner(0);
  joints = START;
  ticks = 0;
  gripper = 0;
});

function seeCube(motion: (k: number) => Vector3, from: Vector3 = [0, 0, 0]): void {
  const at = (p: Vector3, by: Vector3): Vector3 => [
    p[0] + from[0] + by[0],
    p[1] + from[1] + by[1],
    p[2] + from[2] + by[2],
  ];
  const forecast: Forecast = {
    forecaster: 'test',
    camera: 'camera',
    frameId: 'base',
    stamp: fromSeconds(ticks * STEP_S),
    stepS: STEP_S,
    instruction: 'Put the cube away',
    start: QUERY.map((p) => at(p, [0, 0, 0])),
    positions: QUERY.map((p) => Array.from({ length: 30 }, (_, f) => at(p, motion(f + 1)))),
  };
  planner.saw({ forecast, cameraInBase: IDENTITY, surface: CUBE.map((p) => at(p, [0, 0, 0])) });
}

function ask(widthM: number): ActionChunk | null {
  return planner.plan({
    stamp: fromSeconds(ticks * STEP_S),
    joints,
    gripperWidthM: widthM,
    instruction: 'Put the cube away',
  });
}

/** Executes eight of each sixteen until there are no more. @returns all commands. */
function execute(widthM: number): (readonly number[])[] {
  const commands: (readonly number[])[] = [];
  for (let chunk = ask(widthM); chunk; chunk = ask(widthM)) {
    expect(chunk.steps).toHaveLength(16);
    for (let k = 0; k < 8; k++) {
      commands.push(chunk.steps[k]!);
      planner.executed(chunk, k);
      ticks++;
    }
    joints = commands.at(-1)!.slice(0, 7);
    gripper = commands.at(-1)![7]!;
    if (planner.phase === 'carry' && gripper > 0 && commands.length > 66) break;
  }
  return commands;
}

const tool = (): Vector3 => toolPose(joints, FRANKA_HAND_TCP).translation;

describe('the rigid-motion planner', () => {
  it('waits for a forecast, goes over the object and down, and closes at its middle', () => {
    expect(ask(0.08)).toBeNull();
    seeCube(GOING);
    const commands = execute(0.08);
    expect(gripper).toBe(255);
    expect(vec3.distance(tool(), [0.5, 0.1, tool()[2]])).toBeLessThan(0.003);
    expect(tool()[2]).toBeLessThan(0.035);
    // Open on the way, and closed only where it stands.
    const closing = commands.findIndex((c) => c[7]! > 128);
    expect(commands[closing]!.slice(0, 7)).toEqual(commands.at(-1)!.slice(0, 7));
    // Within the limits of the arm, from one command to the next.
    commands.slice(1).forEach((c, i) => {
      for (let j = 0; j < 7; j++)
        expect(Math.abs(c[j]! - commands[i]![j]!) / STEP_S).toBeLessThanOrEqual(arm.joints[j]!.velocity);
    });
  });
  it('carries the object along its forecast, and lets go when that says that it stays', () => {
    ask(0.08);
    seeCube(GOING);
    execute(0.08);
    const held = tool();
    // A forecast of before the gripper closed is none of the object in the hand.
    expect(ask(0.04)).toBeNull();
    seeCube(GOING);
    execute(0.04);
    const carried = tool();
    expect(vec3.distance(carried, [held[0] - 0.05, held[1] - 0.25, held[2] + 0.1])).toBeLessThan(0.008);
    expect(vec3.distance(carried, [...TOOL_TO])).toBeLessThan(0.03);
    expect(gripper).toBe(255);
    ask(0.04);
    seeCube(STAYING, GOING(30));
    const last = execute(0.04);
    expect(last[0]![7]).toBe(0);
    expect(last[0]!.slice(0, 7)).toEqual(last[3]!.slice(0, 7));
    expect(tool()[2]).toBeGreaterThan(carried[2] + 0.1);
    expect([planner.phase, planner.isDone]).toEqual(['done', true]);
  });
  it('tries again when the gripper closed on nothing, and gives up the third time', () => {
    for (let attempt = 1; attempt <= 3; attempt++) {
      ask(0.08);
      seeCube(GOING);
      execute(0.08);
      expect(planner.phase).toBe('carry');
      if (attempt === 3) {
        expect(() => ask(0)).toThrow(/closed on nothing 3 times/);
        return;
      }
      const up = execute(0);
      expect(planner.phase).toBe('grasp');
      expect(up.at(-1)![7]).toBe(0);
      expect(tool()[2]).toBeGreaterThan(0.1);
    }
  });
  it('begins a motion behind the steps that are over when its chunk comes, and knows what an older chunk still does', () => {
    planner = makePlanner(5);
    ask(0.08);
    seeCube(GOING);
    const first = ask(0.08)!;
    for (let k = 0; k < 5; k++) expect(first.steps[k]).toEqual([...START, 0]);
    expect(first.steps[15]).not.toEqual(first.steps[4]);
    planner.executed(first, 7);
    const second = ask(0.08)!;
    expect(second.steps[0]).toEqual(first.steps[8]);
    // It is late, and the first one goes on.
    planner.executed(first, 10);
    expect(ask(0.08)!.steps[0]).toEqual(first.steps[11]);
    planner.executed(second, 4);
    expect(ask(0.08)!.steps[0]).toEqual(second.steps[5]);
  });
  it('says where an object cannot be grasped', () => {
    ask(0.08);
    seeCube(GOING, [0.6, 0, 0]);
    expect(() => ask(0.08)).toThrow(/the fr3 cannot grasp the object at \(1\.\d\d, 0\.10, 0\.\d\d\) m from above/);
  });
  it('forgets everything for another task', () => {
    ask(0.08);
    seeCube(GOING);
    execute(0.08);
    planner.reset();
    expect([planner.phase, ask(0.08)]).toEqual(['grasp', null]);
  });
});
