import { ConfigurationError } from '../core/errors.js';
import type { PolicyInput } from '../inference/model-input.js';
import { ActionExpertPolicy } from '../planning/action-expert-policy.js';
import type { CameraTopics } from './camera-topics.js';
import { FaultyNetwork, type FaultName } from './faults.js';
import { MAX_INTERVAL_S } from './planner-options.js';
import { PolicyStage } from './policy-stage.js';

/** A policy that is ready to be asked. */
export interface OpenPolicy {
  readonly policy: ActionExpertPolicy;
  /** What the bundle says about its input. */
  readonly input: Pick<
    PolicyInput,
    'cameras' | 'observationSteps' | 'observationStepDelta' | 'executedSteps' | 'actions' | 'gripper'
  >;
  /** Cameras of the recording by the model's names, where they differ. */
  readonly cameras: ReadonlyMap<string, string>;
}

/** Names that the published simulator policy takes in place of its own. */
const CAMERA_ALIASES: ReadonlyMap<string, string> = new Map([
  ['exo_camera_1', 'droid_shoulder_light_randomization'],
  ['wrist_camera', 'wrist_camera_zed_mini'],
]);

/** @throws ConfigurationError `policy.camera` where the recording lacks a camera that the policy was trained with. */
export function policyStage(
  { policy, input, cameras: renamed }: OpenPolicy,
  cameras: readonly CameraTopics[],
  { periodS, seed, isWanted }: { readonly periodS: number; readonly seed: number; readonly isWanted?: () => boolean },
  isActive: (name: FaultName) => boolean,
): PolicyStage {
  const names = cameras.map(({ camera }) => camera);
  const stranger = [...renamed.keys()].find((name) => !input.cameras.includes(name));
  if (stranger !== undefined) {
    throw new ConfigurationError({
      code: 'policy.camera',
      message: `the policy has no camera "${stranger}" (it has: ${input.cameras.join(', ')})`,
      remedy: 'name one of these before the = of --policy-camera',
    });
  }
  const chosen = input.cameras.map((wanted) => {
    const candidates = renamed.has(wanted) ? [renamed.get(wanted)!] : [wanted, CAMERA_ALIASES.get(wanted)];
    const found = candidates.find((name) => name !== undefined && names.includes(name));
    if (found !== undefined) return found;
    throw new ConfigurationError({
      code: 'policy.camera',
      message: `the policy looks through "${candidates[0]!}", which is not among the cameras that are there (${names.join(', ') || 'none'})`,
      remedy: `say which one stands for it: --policy-camera ${wanted}=NAME`,
    });
  });
  const { stepS } = policy.network;
  return new PolicyStage(new ActionExpertPolicy(new FaultyNetwork(policy.network, isActive)), {
    cameras: chosen,
    // Pictures several steps apart still have to be those of their own steps.
    window: { frames: input.observationSteps, stepS: input.observationStepDelta * stepS, toleranceS: stepS / 2 },
    maxIntervalS: MAX_INTERVAL_S,
    periodS,
    seed,
    ...(isWanted && { isWanted }),
  });
}
