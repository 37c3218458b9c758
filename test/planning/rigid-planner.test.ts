import { describe, expect, it } from '@jest/globals';
import { quat, vec3 } from 'gl-matrix';
import type { Arm } from '../../src/core/arm.js';
import { seededRandom } from '../../src/core/random.js';
import type { Quaternion, Vector3 } from '../../src/core/vector.js';
import { prepareLimits } from '../../src/execution/limiter.js';
import { timePath } from '../../src/execution/timed-path.js';
import { loadArm } from '../../src/files/arm-file.js';
import { FRANKA_HAND_TCP } from '../../src/geometry/franka-kinematics.js';
import { compose, IDENTITY, invert, transformPoint, type Transform } from '../../src/geometry/transform.js';
import { agreementOf, carriedPath } from '../../src/planning/agreement.js';
import { followPoses, poseError, toolPose } from '../../src/planning/inverse-kinematics.js';
import { carriedPoses, rigidMotionOf } from '../../src/planning/rigid-motion.js';

const fr3 = await loadArm('fr3');
const tool = FRANKA_HAND_TCP;
const STEP_S = 1 / 15;
const READY = [0, -0.3, 0, -2.2, 0, 1.9, 0.785];

const turn = (axis: Vector3, angle: number): Quaternion =>
  quat.setAxisAngle([0, 0, 0, 1], vec3.normalize([0, 0, 0], axis), angle);
const random = seededRandom(4);
const POINTS: Vector3[] = Array.from({ length: 8 }, () => [0.1 * random(), 0.1 * random(), 0.6 + 0.1 * random()]);
const moved = (motion: Transform): Vector3[] => POINTS.map((p) => transformPoint(motion, p));
const tracksOf = (motions: readonly Transform[]): Vector3[][] =>
  POINTS.map((p) => motions.map((m) => transformPoint(m, p)));
/** To the right, and turning about a vertical axis through the object. */
const motionAt = (k: number): Transform => {
  const rotation = turn([0, 0, 1], 0.02 * k);
  const [x, y, z] = transformPoint({ translation: [0, 0, 0], rotation }, [0.05, 0.05, 0.65]);
  return { translation: [0.05 - x + 0.005 * k, 0.05 - y, 0.65 - z + 0.003 * k], rotation };
};
const MOTIONS = Array.from({ length: 30 }, (_, k) => motionAt(k + 1));

describe('the rigid motion of a forecast', () => {
  it('is found again', () => {
    const { motions, rmsM } = rigidMotionOf(POINTS, tracksOf(MOTIONS));
    motions.forEach((motion, k) => {
      expect(poseError(motion, MOTIONS[k]!)).toEqual({ m: expect.closeTo(0, 9), rad: expect.closeTo(0, 6) });
    });
    expect(Math.max(...rmsM.map((r) => r!))).toBeLessThan(1e-12);
  });
  it('goes over steps that are not known, and ends where knowledge ends', () => {
    const tracks: (Vector3 | null)[][] = tracksOf(MOTIONS);
    for (const track of tracks) track[10] = null;
    for (const track of tracks.slice(2)) for (let k = 25; k < 30; k++) track[k] = null;
    const { motions, rmsM } = rigidMotionOf(POINTS, tracks);
    expect(motions).toHaveLength(25);
    expect(rmsM[10]).toBeNull();
    expect(poseError(motions[10]!, MOTIONS[10]!).m).toBeLessThan(1e-3);
  });
  it('tells an object that is not rigid, or of which too little is known', () => {
    const tracks = tracksOf(MOTIONS);
    tracks[3]![20] = [1, 1, 1];
    expect(() => rigidMotionOf(POINTS, tracks)).toThrow(
      /do not move as one rigid object: at step 20 they are \d+\.\d mm off/,
    );
    expect(() => rigidMotionOf(POINTS.slice(0, 2), tracks.slice(0, 2))).toThrow(/no step has 3 points off a line/);
    const line = [0, 1, 2, 3].map((i): Vector3 => [0.1 * i, 0, 1]);
    expect(() =>
      rigidMotionOf(
        line,
        line.map((p) => [p]),
      ),
    ).toThrow(/off a line/);
    expect(() => rigidMotionOf(POINTS, [])).toThrow(/0 points and 0 steps/);
  });
  it('does not ask a point of no weight', () => {
    const tracks = tracksOf(MOTIONS);
    tracks[3]![20] = [1, 1, 1];
    const { motions } = rigidMotionOf(
      POINTS,
      tracks,
      {},
      POINTS.map((_, p) => (p === 3 ? 0 : 1)),
    );
    expect(poseError(motions[20]!, MOTIONS[20]!).m).toBeLessThan(1e-9);
  });
  it('trembles less where it is smoothed', () => {
    const noisy = tracksOf(MOTIONS).map((track) =>
      track.map((p): Vector3 => [p[0] + 0.004 * (random() - 0.5), p[1] + 0.004 * (random() - 0.5), p[2]]),
    );
    const error = (smoothing: number): number => {
      const { motions } = rigidMotionOf(POINTS, noisy, { smoothing });
      return motions.slice(3, -3).reduce((sum, motion, k) => sum + poseError(motion, MOTIONS[k + 3]!).rad, 0);
    };
    expect(error(2)).toBeLessThan(0.7 * error(0));
  });
});

describe('the arm on a path', () => {
  const held = toolPose(READY, tool);
  /** A camera from which the object at its points is at the gripper. */
  const camera: Transform = compose(held, { translation: [-0.05, -0.05, -0.65], rotation: [0, 0, 0, 1] });

  it('its gripper goes with the object', () => {
    const poses = carriedPoses(rigidMotionOf(POINTS, tracksOf(MOTIONS)), held, camera);
    const { positions, residuals } = followPoses(fr3, poses, READY, { tool });
    expect(positions).toHaveLength(31);
    expect(Math.max(...residuals.map(({ m }) => m))).toBeLessThan(1e-4);
    // In the frame of the gripper the points stay where they are.
    const inGripper = (q: readonly number[], points: readonly Vector3[]): Vector3[] =>
      points.map((p) => transformPoint(invert(toolPose(q, tool)), transformPoint(camera, p)));
    const first = inGripper(READY, POINTS);
    inGripper(positions.at(-1)!, moved(MOTIONS.at(-1)!)).forEach((p, i) => {
      expect(Math.hypot(p[0] - first[i]![0], p[1] - first[i]![1], p[2] - first[i]![2])).toBeLessThan(3e-4);
    });
  });
  it('follows random paths within its limits, continuously, or says why not', () => {
    const drawn = seededRandom(11);
    let [followed, refused] = [0, 0];
    for (let i = 0; i < 60; i++) {
      const start = fr3.joints.map(({ lower, upper }) => lower + (upper - lower) * (0.15 + 0.7 * drawn()));
      const by: Transform = {
        translation: [0.3 * (drawn() - 0.5), 0.3 * (drawn() - 0.5), 0.3 * (drawn() - 0.5)],
        rotation: turn([drawn() - 0.5, drawn() - 0.5, drawn() - 0.5], drawn()),
      };
      const goal = compose(toolPose(start, tool), by);
      try {
        const { positions } = followPoses(fr3, [goal], start, { tool });
        followed++;
        expect(poseError(toolPose(positions.at(-1)!, tool), goal).m).toBeLessThan(2e-3);
        positions.at(-1)!.forEach((q, j) => {
          expect(q).toBeGreaterThanOrEqual(fr3.joints[j]!.lower + 0.02 - 1e-9);
          expect(q).toBeLessThanOrEqual(fr3.joints[j]!.upper - 0.02 + 1e-9);
        });
      } catch (error) {
        refused++;
        expect(error).toMatchObject({
          code: expect.stringMatching(/^plan\.(unreachable|jump)$/),
          remedy: expect.stringMatching(/./),
        });
      }
    }
    expect(followed).toBeGreaterThan(30);
    expect(refused).toBeGreaterThan(0);
  });
  it('out of reach is refused, and so is an arm whose kinematics are not known', () => {
    const far: Transform = { ...held, translation: [1.5, 0, 0.5] };
    expect(() => followPoses(fr3, [far], READY, { tool })).toThrow(/fr3 cannot follow the path at step 0/);
    const other: Arm = { ...fr3, name: 'six', kinematics: 'none' };
    expect(() => followPoses(other, [held], READY, { tool })).toThrow(/kinematics of the arm six/);
  });
});

describe('a timed path', () => {
  const limits = prepareLimits(fr3, { periodS: 1 / 30, maxDeltaRad: null });
  const line = (by: number): number[][] =>
    Array.from({ length: 31 }, (_, k) => READY.map((q, j) => (j === 0 ? q + (by * k) / 30 : q)));

  it('takes as long as it was forecast where the arm can do it, and longer where it cannot', () => {
    const slow = timePath(limits, line(0.3), STEP_S);
    expect(slow.dilation).toBe(1);
    expect(slow.timesS.at(-1)!).toBeCloseTo(2, 0);
    const fast = timePath(limits, line(2.5), STEP_S / 4);
    expect(fast.dilation).toBeGreaterThan(2);
    for (const { positions, timesS } of [slow, fast]) {
      expect(positions.at(-1)![0]).toBeCloseTo(positions === slow.positions ? 0.3 : 2.5, 4);
      let before = 0;
      positions.slice(1).forEach((q, i) => {
        const dt = timesS[i + 1]! - timesS[i]!;
        const v = (q[0]! - positions[i]![0]!) / dt;
        expect(Math.abs(v)).toBeLessThanOrEqual(2.62 + 1e-6);
        expect(Math.abs(v - before) / dt).toBeLessThanOrEqual(10 + 1e-5);
        before = v;
      });
      // It comes to rest within the last tick.
      expect(Math.abs(before)).toBeLessThan(0.005);
    }
  });
  it('refuses a path that no speed makes smooth', () => {
    const jagged = Array.from({ length: 31 }, (_, k) => READY.map((q, j) => (j === 0 ? q + (k % 2) : q)));
    expect(() => timePath(limits, jagged, 0.01)).toThrow(/off the path/);
  });
});

describe('agreement of a chunk with a forecast', () => {
  it('is the distance between the two ways of the gripper', () => {
    const held = toolPose(READY, tool);
    const camera = compose(held, { translation: [-0.05, -0.05, -0.65], rotation: [0, 0, 0, 1] });
    const forecast = {
      forecaster: 'test',
      camera: 'c',
      frameId: 'c',
      stamp: 0n,
      stepS: STEP_S,
      instruction: '',
      start: POINTS,
      positions: tracksOf(MOTIONS),
    };
    const path = carriedPath(forecast, READY, camera, tool);
    const { positions } = followPoses(
      fr3,
      carriedPoses(rigidMotionOf(POINTS, tracksOf(MOTIONS)), held, camera),
      READY,
      { tool },
    );
    const chunkAt = (first: number): Parameters<typeof agreementOf>[0] => ({
      planner: 'test',
      stamp: BigInt(Math.round(first * STEP_S * 1e9)),
      stepS: STEP_S,
      instruction: '',
      steps: Array.from({ length: 16 }, (_, k) => [...positions[Math.min(30, first + k + 1)]!, 0]),
    });
    expect(agreementOf(chunkAt(0), path, tool)!.maxM).toBeLessThan(1e-4);
    // A later chunk is held against the later part of the forecast, as far as that goes.
    const late = agreementOf(chunkAt(20), path, tool)!;
    expect([late.steps, late.maxM < 1e-3]).toEqual([10, true]);
    const still = { ...chunkAt(0), steps: Array.from({ length: 16 }, () => [...READY, 0]) };
    const apart = agreementOf(still, path, tool)!;
    expect(apart.maxM).toBeCloseTo(
      Math.hypot(...path.at(16 * STEP_S)!.translation.map((x, i) => x - held.translation[i]!)),
      6,
    );
    expect(agreementOf(chunkAt(40), path, tool)).toBeNull();
    expect(path.at(-1)).toBeNull();
    expect(poseError(path.at(0)!, compose(IDENTITY, held)).m).toBeLessThan(1e-12);
  });
});
