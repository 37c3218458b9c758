import { quat, vec3 } from 'gl-matrix';
import { Matrix, solve } from 'ml-matrix';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import type { Vector3 } from '../core/vector.js';
import { forwardKinematics, jacobian } from '../geometry/franka-kinematics.js';
import { compose, interpolate, type Transform } from '../geometry/transform.js';

export interface PathOptions {
  /** Tool centre from the flange. */
  readonly tool: Transform;
  /** Furthest that the tool may be from its pose, metres and radians. */
  readonly toleranceM?: number;
  readonly toleranceRad?: number;
  /** Distance that is kept from the position limits, radians. */
  readonly marginRad?: number;
  /** Largest change of a joint between two sampled poses, radians. */
  readonly maxJumpRad?: number;
  /** Times as far apart as usual that poses are sampled: to find out whether there is a way. */
  readonly coarseness?: number;
}

export interface JointPath {
  /** `positions[k]` reaches pose k, radians; the first one is where the arm stands. */
  readonly positions: readonly (readonly number[])[];
  /** Distance of the tool from its pose, metres and radians. */
  readonly residuals: readonly { readonly m: number; readonly rad: number }[];
}

/** To find out whether there is a way, before the way itself is asked for. */
export const ROUGHLY = { coarseness: 4, maxJumpRad: 0.6 } as const;

const TOLERANCE_M = 0.002;
const TOLERANCE_RAD = 0.02;
const MARGIN_RAD = 0.02;
const MAX_JUMP_RAD = 0.25;
/** Poses are approached in steps of at most this size, so that the arm stays on one branch of its solutions. */
const SAMPLE_M = 0.01;
const SAMPLE_RAD = 0.05;
/** Times that a sample is halved where the joints move much. */
const REFINEMENTS = 4;
const ITERATIONS = 60;
/** Of damped least squares: large enough to pass singular poses, small enough to converge in a few steps elsewhere. */
const DAMPING = 0.02;
/** Pull towards the middle of the joints' ranges, in the directions that the tool does not notice. */
const CENTRING = 0.02;

/** Pose of the tool centre in the arm's base. @param q 7 joints, radians. */
export function toolPose(q: readonly number[], tool: Transform): Transform {
  return compose(forwardKinematics(q).flange, tool);
}

/**
 * Joint positions along a path of tool poses, each found from the one before (damped least squares, Wampler 1986, with the arm's own Jacobian), within
 * the arm's position limits.
 * @param poses of the tool centre in the arm's base. @param start joints at which the path begins, radians.
 * @throws InputError `plan.unreachable` naming the step where the path cannot be followed, `plan.jump` where the arm would have to change over.
 */
export function followPoses(
  arm: Arm,
  poses: readonly Transform[],
  start: readonly number[],
  options: PathOptions,
): JointPath {
  const { tool, coarseness = 1 } = options;
  if (arm.kinematics === 'none') {
    throw new InputError({
      code: 'plan.kinematics',
      message: `the kinematics of the arm ${arm.name} are not known here`,
      remedy: 'plan for a Franka arm, or say kinematics: franka in its file where it has the same',
    });
  }
  const positions: (readonly number[])[] = [[...start]];
  const residuals = [{ m: 0, rad: 0 }];
  let pose = toolPose(start, tool);
  let q: readonly number[] = start;
  poses.forEach((goal, k) => {
    const { m, rad } = poseError(pose, goal);
    const samples = Math.max(1, Math.ceil(Math.max(m / SAMPLE_M, rad / SAMPLE_RAD) / coarseness));
    for (let i = 1; i <= samples; i++) {
      const from = interpolate(pose, goal, (i - 1) / samples);
      q = advance(arm, k, from, interpolate(pose, goal, i / samples), q, options, REFINEMENTS);
    }
    pose = goal;
    positions.push(q);
    residuals.push(poseError(toolPose(q, tool), goal));
  });
  return { positions, residuals };
}

/** To a pose near by; where the joints move much, as near a singular pose, by way of the middle. */
function advance(
  arm: Arm,
  step: number,
  from: Transform,
  to: Transform,
  q: readonly number[],
  options: PathOptions,
  refinements: number,
): readonly number[] {
  const { tool, toleranceM = TOLERANCE_M, toleranceRad = TOLERANCE_RAD, maxJumpRad = MAX_JUMP_RAD } = options;
  const found = solvePose(arm, to, q, options);
  const residual = poseError(toolPose(found, tool), to);
  if (residual.m > toleranceM || residual.rad > toleranceRad) throw unreachable(arm, step, found, residual, options);
  const jump = found.findIndex((value, j) => Math.abs(value - q[j]!) > maxJumpRad);
  if (jump < 0) return found;
  if (refinements === 0) throw jumps(step, jump, q[jump]!, found[jump]!);
  const middle = interpolate(from, to, 0.5);
  const half = advance(arm, step, from, middle, q, options, refinements - 1);
  return advance(arm, step, middle, to, half, options, refinements - 1);
}

function solvePose(
  arm: Arm,
  goal: Transform,
  start: readonly number[],
  { tool, marginRad = MARGIN_RAD }: PathOptions,
): number[] {
  const q = [...start];
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const here = forwardKinematics(q);
    const reached = compose(here.flange, tool);
    const error = twistTo(reached, goal);
    const isThere =
      Math.hypot(error[0]!, error[1]!, error[2]!) < 1e-7 && Math.hypot(error[3]!, error[4]!, error[5]!) < 1e-6;
    const J = new Matrix(jacobian(here, reached.translation).map((row) => [...row]));
    const damped = J.mmul(J.transpose()).add(Matrix.eye(6).mul(DAMPING * DAMPING));
    const pull = Matrix.columnVector(
      arm.joints.map(({ lower, upper }, j) => (CENTRING * ((lower + upper) / 2 - q[j]!)) / (upper - lower)),
    );
    // In the null space of the Jacobian alone: the tool stays where it is.
    const wanted = Matrix.columnVector(error).sub(J.mmul(pull));
    const step = J.transpose().mmul(solve(damped, wanted)).add(pull);
    let moved = 0;
    arm.joints.forEach(({ lower, upper }, j) => {
      // A start closer to a limit than the margin may stay there.
      const least = Math.min(lower + marginRad, start[j]!);
      const most = Math.max(upper - marginRad, start[j]!);
      const next = Math.min(most, Math.max(least, q[j]! + step.get(j, 0)));
      moved = Math.max(moved, Math.abs(next - q[j]!));
      q[j] = next;
    });
    if (isThere || moved < 1e-9) break;
  }
  return q;
}

/** Distance between poses, metres and radians. */
export function poseError(from: Transform, to: Transform): { readonly m: number; readonly rad: number } {
  const twist = twistTo(from, to);
  return { m: Math.hypot(twist[0]!, twist[1]!, twist[2]!), rad: Math.hypot(twist[3]!, twist[4]!, twist[5]!) };
}

/** Translation, and the rotation vector in the base frame, that carry one pose into the other. */
function twistTo(from: Transform, to: Transform): number[] {
  const back = quat.conjugate([0, 0, 0, 1], from.rotation);
  const [x, y, z, w] = quat.multiply([0, 0, 0, 1], to.rotation, back);
  const sine = Math.hypot(x, y, z);
  // The short way round.
  const angle = 2 * Math.atan2(sine, Math.abs(w)) * (w < 0 ? -1 : 1);
  const factor = sine < 1e-12 ? 2 : angle / sine;
  const way = vec3.subtract([0, 0, 0], to.translation, from.translation);
  return [...way, factor * x, factor * y, factor * z];
}

function unreachable(
  arm: Arm,
  step: number,
  q: readonly number[],
  { m, rad }: { readonly m: number; readonly rad: number },
  { marginRad = MARGIN_RAD }: PathOptions,
): InputError {
  const bound = arm.joints.findIndex(
    ({ lower, upper }, j) => q[j]! <= lower + marginRad + 1e-6 || q[j]! >= upper - marginRad - 1e-6,
  );
  return new InputError({
    code: 'plan.unreachable',
    message: `the ${arm.name} cannot follow the path at step ${step}: ${bound >= 0 ? `joint ${bound + 1} is at its limit` : 'it is out of reach'}, and its tool ${(1000 * m).toFixed(1)} mm and ${rad.toFixed(3)} rad away`,
    remedy: 'grasp the object differently, or move the arm or the object nearer to the middle of its reach',
  });
}

function jumps(step: number, joint: number, from: number, to: number): InputError {
  return new InputError({
    code: 'plan.jump',
    message: `the path cannot be followed continuously at step ${step}: joint ${joint + 1} would jump from ${from.toFixed(3)} to ${to.toFixed(3)} rad`,
    remedy: 'start from another configuration of the arm: this one leads through a singular pose',
  });
}

/** Where points of the arm's tool go, for pictures and comparisons. */
export function toolPath(positions: readonly (readonly number[])[], tool: Transform): readonly Vector3[] {
  return positions.map((q) => toolPose(q, tool).translation);
}
