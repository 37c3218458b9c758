import { z } from 'zod';
import type { Arm } from '../core/arm.js';
import { ConfigurationError } from '../core/errors.js';
import { FRANKA_HAND, ROBOTIQ_2F85, type GripperConvention } from '../core/gripper.js';
import { MODEL_STEP_S } from '../core/time.js';
import { prepareLimits } from '../execution/limiter.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import type { HeldObject } from '../node/held-object.js';
import { HybridStage } from '../node/hybrid-stage.js';
import type { PlanningStage } from '../node/planning-stage.js';
import { PolicyStage } from '../node/policy-stage.js';
import { RigidStage } from '../node/rigid-stage.js';
import { RigidMotionPlanner } from '../planning/rigid-planner.js';
import { renamedCameras } from './cameras.js';
import type { NodeConfig } from './config/node-config.js';
import type { OpenPolicy } from './model-source.js';
import { policyCameras } from './policy-cameras.js';
import { entry, Registry } from './registry.js';
import type { World } from './world.js';

export interface PlannerContext {
  readonly world: World;
  readonly config: NodeConfig;
  readonly arm: Arm;
  /** Names of the cameras that are there. */
  readonly cameras: readonly string[];
  readonly forecastCamera: string;
  readonly held: HeldObject;
}

/** A planner that is ready, and what execution has to know of it. */
export interface OpenPlanner {
  /** Between two steps of its chunks, seconds. */
  readonly stepS: number;
  /** Steps of a chunk, and how many of them are executed before the next one is due. */
  readonly horizon: number;
  readonly executedSteps: number;
  /** Joints of its steps are changes of the measured ones. */
  readonly isRelative: boolean;
  readonly gripper: GripperConvention;
  /** Cameras that its plans come from. */
  readonly cameras: readonly string[];
  /** It looks for itself, so that its plans and the forecasts can be compared. */
  readonly looksItself: boolean;
  /** @param isWanted whether anybody waits for a chunk. */
  readonly stage: (isWanted: () => boolean) => PlanningStage;
}

/** Of chunks that no bundle describes: those of the published policies. */
const HORIZON = 16;
const EXECUTED_STEPS = 8;

/** Who can plan. Null where nobody does. */
export const PLANNERS = new Registry<PlannerContext, OpenPlanner | null>(
  'planner',
  [
    entry({
      name: 'none',
      summary: 'nobody: forecasts only',
      options: z.strictObject({}),
      open: () => Promise.resolve(null),
    }),
    entry({
      name: 'rigid',
      summary: 'grasps from above, then carries the object along its forecast as one rigid motion',
      options: z.strictObject({}),
      open: (context: PlannerContext) => {
        const gripper = conventionOf(context.config, FRANKA_HAND);
        return Promise.resolve({
          stepS: MODEL_STEP_S,
          horizon: HORIZON,
          executedSteps: EXECUTED_STEPS,
          isRelative: false,
          gripper,
          cameras: [context.forecastCamera],
          looksItself: false,
          stage: (isWanted) => rigidStage(context, { stepS: MODEL_STEP_S, horizon: HORIZON, gripper, isWanted }),
        });
      },
    }),
    entry({
      name: 'hybrid',
      summary: 'the rigid planner grasps, then the policy of a bundle carries and places',
      argument: 'BUNDLE',
      options: z.strictObject({}),
      open: async (context: PlannerContext, _, folder) => {
        const open = await context.world.models.policy(folder);
        const planner = describePolicy(context, open);
        if (planner.isRelative) {
          throw new ConfigurationError({
            code: 'planner.hybrid',
            message: `the policy ${folder} says changes of joints, and the rigid planner says joints: one execution cannot do both`,
            remedy: 'give a policy with absolute actions (joint_pos), or the policy alone',
          });
        }
        const { gripper, stepS, horizon } = planner;
        return {
          ...planner,
          cameras: [...new Set([context.forecastCamera, ...planner.cameras])],
          stage: (isWanted) =>
            new HybridStage(
              rigidStage(context, { stepS, horizon, gripper, isWanted }),
              (isCarrying) => policyStage(context, open, planner.cameras, () => isCarrying() && isWanted()),
              { camera: context.forecastCamera, gripper, isClosed: () => context.held.since !== null },
            ),
        };
      },
    }),
  ],
  entry({
    name: 'bundle',
    summary: 'a policy bundle (of molmo-motion build --task policy)',
    argument: 'BUNDLE',
    options: z.strictObject({}),
    open: async (context: PlannerContext, _, folder) => {
      const open = await context.world.models.policy(folder);
      const planner = describePolicy(context, open);
      return { ...planner, stage: (isWanted) => policyStage(context, open, planner.cameras, isWanted) };
    },
  }),
);

function describePolicy(
  { config, cameras }: PlannerContext,
  { policy, input }: OpenPolicy,
): Omit<OpenPlanner, 'stage'> {
  return {
    stepS: policy.network.stepS,
    horizon: policy.network.horizon,
    executedSteps: input.executedSteps,
    isRelative: input.actions === 'joint_pos_rel',
    gripper: conventionOf(config, input.gripper),
    cameras: policyCameras(input, renamedCameras(config), cameras),
    looksItself: true,
  };
}

function policyStage(
  { config, world }: PlannerContext,
  { policy, input }: OpenPolicy,
  cameras: readonly string[],
  isWanted: () => boolean,
): PolicyStage {
  const { stepS } = policy.network;
  return new PolicyStage(policy, {
    cameras,
    // Pictures several steps apart still have to be those of their own steps.
    window: { frames: input.observationSteps, stepS: input.observationStepDelta * stepS, toleranceS: stepS / 2 },
    maxIntervalS: config.sensing.max_interval_s,
    periodS: world.isCommanded ? 0 : config.planning.period_s,
    seed: config.seed,
    isWanted,
  });
}

function rigidStage(
  { arm, config, forecastCamera }: PlannerContext,
  {
    stepS,
    horizon,
    gripper,
    isWanted,
  }: Pick<OpenPlanner, 'stepS' | 'horizon' | 'gripper'> & { readonly isWanted: () => boolean },
): RigidStage {
  const planner = new RigidMotionPlanner({
    arm,
    limits: prepareLimits(arm, { periodS: stepS }),
    tool: FRANKA_HAND_TCP,
    horizon,
    gripper,
    leadSteps: Math.ceil(config.execution.latency_s / stepS),
  });
  return new RigidStage(planner, { camera: forecastCamera, gripper, isWanted });
}

/** What the gripper is told: as configured, or else as the planner's own actions mean it. */
function conventionOf({ execution }: NodeConfig, own: GripperConvention): GripperConvention {
  switch (execution.gripper.convention) {
    case 'auto':
      return own;
    case 'robotiq_2f85':
      return ROBOTIQ_2F85;
    case 'franka_hand':
      return FRANKA_HAND;
  }
}
