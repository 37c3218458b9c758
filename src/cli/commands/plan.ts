import { Command } from 'commander';
import { quat, vec3 } from 'gl-matrix';
import { z } from 'zod';
import type { Arm } from '../../core/arm.js';
import { describeError, InputError } from '../../core/errors.js';
import type { Vector3 } from '../../core/vector.js';
import { prepareLimits } from '../../execution/limiter.js';
import { timePath, type TimedPath } from '../../execution/timed-path.js';
import { loadArm } from '../../files/arm-file.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { FRANKA_HAND_TCP } from '../../geometry/franka-kinematics.js';
import { compose, invert, transformPoint, type Transform } from '../../geometry/transform.js';
import { followPoses, toolPath, toolPose, type JointPath } from '../../planning/inverse-kinematics.js';
import { carriedPoses, rigidMotionOf, type RigidMotion } from '../../planning/rigid-motion.js';
import { planPicturePng } from '../../visualization/plan-picture.js';
import { notNegative, positiveNumber, wholeNumber } from '../arguments.js';
import { EXIT } from '../exit-codes.js';
import { readText } from '../input-file.js';
import { complain, say, toJson } from '../terminal.js';

interface PlanCommandOptions {
  readonly forecast: string;
  readonly arm: string;
  readonly grasp: string;
  readonly out: string;
  readonly image?: string;
  readonly rate: number;
  readonly smooth: number;
  readonly maxResidual: number;
  readonly margin: number;
}

const vector = z.tuple([z.number(), z.number(), z.number()]);
const unknown = z.tuple([z.null(), z.null(), z.null()]);
const forecastSchema = z.looseObject({
  step_s: z.number().positive(),
  start: z.array(vector).optional(),
  points: z.array(z.array(z.union([vector, unknown]))).min(1),
  visible: z.array(z.array(z.boolean())).optional(),
});
const poseSchema = z.strictObject({
  xyz_m: vector,
  xyzw: z
    .tuple([z.number(), z.number(), z.number(), z.number()])
    .refine((q) => Math.abs(Math.hypot(...q) - 1) < 1e-3, 'a unit quaternion is needed'),
});
const graspSchema = z
  .strictObject({
    joints: z.array(z.number()),
    camera_in_base: poseSchema.optional(),
    gripper_in_camera: poseSchema.optional(),
    tool_in_flange: poseSchema.optional(),
    points: z.array(vector).optional(),
  })
  .refine(
    (grasp) => (grasp.camera_in_base === undefined) !== (grasp.gripper_in_camera === undefined),
    'give either camera_in_base or gripper_in_camera',
  );

type ForecastFile = z.infer<typeof forecastSchema>;
type GraspFile = z.infer<typeof graspSchema>;

/** Points lie on the side of an object that the camera sees, and the objects that a Franka hand grasps are smaller than this. */
const FURTHEST_GRASP_M = 0.15;

export function planCommand(): Command {
  return new Command('plan')
    .description(
      'carry a grasped object along its forecast: a timed joint path within the limits of an arm, or why there is none',
    )
    .requiredOption('--forecast <file>', 'result of molmo-motion forecast')
    .requiredOption('--arm <name>', 'fr3, panda, or a YAML file with the limits of another arm')
    .requiredOption('--grasp <file>', 'how the object is held at t0, below')
    .requiredOption('--out <file>', 'the plan, or its refusal, below')
    .option('--image <file>', 'PNG of the points and the way of the gripper, from above and from the side')
    .option('--rate <hz>', 'commands per second', positiveNumber, 15)
    .option('--smooth <steps>', 'steps to each side over which the motion is averaged', wholeNumber, 0)
    .option('--max-residual <m>', 'how far the points may be from one rigid motion', positiveNumber, 0.03)
    .option('--margin <rad>', 'distance that is kept from the position limits', notNegative, 0.02)
    .addHelpText(
      'after',
      `
Grasp: {"joints": [7 rad], "camera_in_base": POSE | "gripper_in_camera": POSE, "tool_in_flange"?: POSE (default: the Franka hand's tool centre),
"points"?: [[x, y, z]] (positions at t0, for a forecast without "start")}, where POSE is {"xyz_m": [x, y, z], "xyzw": [x, y, z, w]}, "camera" the
frame of the forecast, and "gripper" the tool centre at t0.

Plan: {"arm", "times_s": [K], "positions": [K][7], "waypoints": {"step_s", "positions": [F+1][7], "residual_m": [F+1], "residual_rad": [F+1]},
"rigid_rms_m": [F], "gripper_path_m": [K][3] in the arm's base, "dilation", "tracking_error_rad"}.
A path that cannot be followed gives {"arm", "refused": {"code", "message", "remedy"}}, and exit code 3.`,
    )
    .action(run);
}

async function run(options: PlanCommandOptions): Promise<void> {
  const arm = await loadArm(options.arm);
  const forecast = await readFileAs(
    options.forecast,
    forecastSchema,
    'a forecast',
    'make one with molmo-motion forecast',
  );
  const grasp = await readFileAs(options.grasp, graspSchema, 'a grasp', 'molmo-motion plan --help shows one');
  const scene = sceneOf(grasp, forecast, options);
  try {
    const planned = plan(arm, scene, options);
    const tool = toolPath(planned.timed.positions, scene.tool);
    await writeAtomically(options.out, `${toJson({ ...planJson(arm, planned, forecast), gripper_path_m: tool })}\n`);
    if (options.image !== undefined) await writeAtomically(options.image, await picture(scene, tool, arm.name));
    const { timed, motion } = planned;
    say(
      `${timed.positions.length} commands over ${timed.timesS.at(-1)!.toFixed(2)} s (${timed.dilation.toFixed(2)} times as long as forecast); points at most ${(1000 * worst(motion.rmsM)).toFixed(1)} mm from rigid, tool at most ${(1000 * worst(planned.path.residuals.map(({ m }) => m))).toFixed(2)} mm from its pose; written to ${options.out}`,
    );
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { code, message, remedy } = error;
    await writeAtomically(options.out, `${toJson({ arm: arm.name, refused: { code, message, remedy } })}\n`);
    // What was asked for is still worth a look.
    if (options.image !== undefined)
      await writeAtomically(options.image, await picture(scene, [], `${arm.name}, refused`));
    complain(`refused, written to ${options.out}: ${message} (${remedy})`);
    process.exitCode = EXIT.input;
  }
}

interface Scene {
  readonly joints: readonly number[];
  readonly tool: Transform;
  readonly cameraInBase: Transform;
  readonly start: readonly Vector3[];
  readonly positions: readonly (readonly (Vector3 | null)[])[];
  readonly stepS: number;
}

interface Planned {
  readonly motion: RigidMotion;
  readonly path: JointPath;
  readonly timed: TimedPath;
}

function plan(arm: Arm, scene: Scene, options: PlanCommandOptions): Planned {
  checkHeld(scene);
  const { joints, tool, cameraInBase, start, positions } = scene;
  const limits = prepareLimits(arm, { periodS: 1 / options.rate, marginRad: options.margin, maxDeltaRad: null });
  const motion = rigidMotionOf(start, positions, { maxResidualM: options.maxResidual, smoothing: options.smooth });
  const poses = carriedPoses(motion, toolPose(joints, tool), cameraInBase);
  const path = followPoses(arm, poses, joints, { tool, marginRad: options.margin });
  return { motion, path, timed: timePath(limits, path.positions, scene.stepS) };
}

function sceneOf(
  grasp: GraspFile,
  forecast: ForecastFile,
  { forecast: file, grasp: graspFile }: PlanCommandOptions,
): Scene {
  const start = forecast.start ?? grasp.points;
  if (start?.length !== forecast.points.length) {
    throw new InputError({
      code: 'plan.start',
      message: `${file} forecasts ${forecast.points.length} points, but ${start ? `${start.length} positions` : 'no positions'} at t0 are known`,
      remedy: `give them as "start" in the forecast, or as "points" in ${graspFile}`,
    });
  }
  const tool = grasp.tool_in_flange ? transformOf(grasp.tool_in_flange) : FRANKA_HAND_TCP;
  return {
    joints: grasp.joints,
    tool,
    cameraInBase: grasp.camera_in_base
      ? transformOf(grasp.camera_in_base)
      : compose(toolPose(grasp.joints, tool), invert(transformOf(grasp.gripper_in_camera!))),
    start,
    positions: forecast.points.map((track, p) =>
      track.map((point, f) => (point[0] === null || forecast.visible?.[p]?.[f] === false ? null : (point as Vector3))),
    ),
    stepS: forecast.step_s,
  };
}

/**
 * A forecast is carried over to the gripper as one rigid motion, which means nothing where the gripper does not hold the object.
 * @throws InputError `plan.grasp` where the tool centre is far from every point of the object.
 */
function checkHeld({ joints, tool, cameraInBase, start }: Scene): void {
  const centre = toolPose(joints, tool).translation;
  const nearest = Math.min(...start.map((point) => vec3.distance(transformPoint(cameraInBase, point), centre)));
  if (nearest <= FURTHEST_GRASP_M) return;
  throw new InputError({
    code: 'plan.grasp',
    message: `at t0 the tool centre is ${nearest.toFixed(3)} m from the nearest point of the object, so that the gripper does not hold it (at most ${FURTHEST_GRASP_M} m)`,
    remedy: 'check the joints, camera_in_base or gripper_in_camera, and tool_in_flange of the grasp',
  });
}

function transformOf({ xyz_m: translation, xyzw }: z.infer<typeof poseSchema>): Transform {
  return { translation, rotation: quat.normalize([0, 0, 0, 1], xyzw) };
}

function planJson(arm: Arm, { motion, path, timed }: Planned, { step_s: stepS }: ForecastFile): object {
  return {
    arm: arm.name,
    times_s: timed.timesS,
    positions: timed.positions,
    waypoints: {
      step_s: stepS,
      positions: path.positions,
      residual_m: path.residuals.map(({ m }) => m),
      residual_rad: path.residuals.map(({ rad }) => rad),
    },
    rigid_rms_m: motion.rmsM,
    dilation: timed.dilation,
    tracking_error_rad: timed.trackingErrorRad,
  };
}

function picture(
  { cameraInBase, start, positions }: Scene,
  tool: readonly Vector3[],
  caption: string,
): Promise<Buffer> {
  const inBase = (point: Vector3 | null): Vector3 | null => point && transformPoint(cameraInBase, point);
  return planPicturePng({
    points: positions.map((track, p) => [inBase(start[p]!), ...track.map(inBase)]),
    tool,
    caption: `forecast points (dark to bright) and the way of the gripper (black): ${caption}`,
  });
}

function worst(values: readonly (number | null)[]): number {
  return values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
}

async function readFileAs<T extends z.ZodType>(
  file: string,
  schema: T,
  what: string,
  remedy: string,
): Promise<z.infer<T>> {
  const fail = (why: string): InputError =>
    new InputError({ code: 'plan.format', message: `${file} is not ${what}: ${why}`, remedy });
  let data: unknown;
  const text = await readText(file);
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw fail(describeError(cause));
  }
  const parsed = schema.safeParse(data);
  if (!parsed.success) throw fail(z.prettifyError(parsed.error).replaceAll('\n', ' '));
  return parsed.data;
}
