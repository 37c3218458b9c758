import type { MemoryBus } from '../bus/memory/memory-bus.js';
import type { VirtualClock } from '../bus/memory/virtual-clock.js';
import type { Arm } from '../core/arm.js';
import { ConfigurationError, describeError } from '../core/errors.js';
import { toSeconds } from '../core/time.js';
import { commandAt, summarizeErrors, type ErrorSummary } from '../evaluation/chunk-comparison.js';
import { checkLatency, type QueueOptions } from '../execution/chunk-queue.js';
import type { PolicyInput } from '../inference/model-input.js';
import { ActionExpertPolicy } from '../planning/action-expert-policy.js';
import type { Recording } from '../recordings/recording.js';
import type { CameraTopics } from './camera-topics.js';
import { ExecutionStage } from './execution-stage.js';
import { FaultyNetwork, injectedLatencyS, type FaultName } from './faults.js';
import { DEFAULT_INPUT_TOPICS, MAX_INTERVAL_S } from './planner-options.js';
import { PolicyStage } from './policy-stage.js';

/** Policy and execution of a replay. */

export interface ReplayPolicy {
  readonly policy: ActionExpertPolicy;
  /** What the bundle says about its input. */
  readonly input: Pick<
    PolicyInput,
    'cameras' | 'observationSteps' | 'observationStepDelta' | 'executedSteps' | 'actions' | 'gripper'
  >;
  /** Cameras of the recording by the model's names, where they differ. */
  readonly cameras: ReadonlyMap<string, string>;
}

export interface ReplayExecution {
  readonly arm: Arm;
  readonly mode: QueueOptions['mode'];
  readonly blendSteps?: number;
  /** Time that a chunk is taken to need, seconds of the recording: a replay computes while its clock stands still. */
  readonly latencyS: number;
  readonly maxDeltaRad?: number | null;
  /** Chunks further than this from the forecast are not executed, metres. */
  readonly gateM?: number;
}

/** Commands, and what kept them in bounds. */
export interface ExecutionReport {
  readonly arm: string;
  readonly mode: QueueOptions['mode'];
  readonly phase: string;
  readonly commands: number;
  /** Ticks at which there was no step, and the arm held. */
  readonly holds: number;
  readonly overruns: number;
  readonly chunks: number;
  readonly late_chunks: number;
  /** Of the chunk before, when its successor came. */
  readonly slack_s: { readonly least: number; readonly mean: number } | null;
  /** For each joint, how many commands were limited by what. */
  readonly limited: readonly Readonly<Record<string, number>>[];
  readonly stops: readonly {
    readonly at_s: number;
    readonly code: string;
    readonly message: string;
    readonly remedy: string;
  }[];
  readonly start_refused: string | null;
  readonly gripper_moves: number;
  /** Largest difference of any joint from the recorded command of the same time, radians; null where there is none. */
  readonly command_error_rad: ErrorSummary | null;
}

/** Names that the published simulator policy takes in place of its own. */
const CAMERA_ALIASES: ReadonlyMap<string, string> = new Map([
  ['exo_camera_1', 'droid_shoulder_light_randomization'],
  ['wrist_camera', 'wrist_camera_zed_mini'],
]);

/** @throws ConfigurationError `policy.camera` where the recording lacks a camera that the policy was trained with. */
export function policyStage(
  { policy, input, cameras: renamed }: ReplayPolicy,
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

export interface ReplayedExecution {
  readonly stage: ExecutionStage;
  readonly report: () => ExecutionReport;
}

/** Nobody is in danger of a replay: its arm is started by itself, once, and stays stopped when it was stopped. */
export function executionStage(
  bus: MemoryBus<VirtualClock>,
  policyStage: PolicyStage,
  { input }: ReplayPolicy,
  { arm, mode, blendSteps, latencyS, maxDeltaRad }: ReplayExecution,
  recording: Recording,
  isActive: (name: FaultName) => boolean,
): ReplayedExecution {
  const { policy } = policyStage;
  const { stepS, horizon } = policy.network;
  const queue: QueueOptions = {
    mode,
    executedSteps: input.executedSteps,
    ...(blendSteps !== undefined && { blendSteps }),
  };
  checkLatency(queue, horizon, stepS, latencyS);
  const start = recording.timeRange![0];
  // What a monotonic clock would tell: jumps of the other one are taken out.
  let jumped = 0n;
  bus.clock.jumps.subscribe((by) => {
    jumped += by;
  });
  const stage = new ExecutionStage(bus, {
    arm,
    limiter: { periodS: stepS, ...(maxDeltaRad !== undefined && { maxDeltaRad }) },
    queue,
    gripper: { convention: input.gripper },
    relativeActions: input.actions === 'joint_pos_rel',
    dryRun: false,
    latencyS,
    simulatedLatencyS: () => latencyS + injectedLatencyS(isActive),
    // The recorded arm follows the recorded commands, not these.
    maxTrackingErrorRad: Number.POSITIVE_INFINITY,
    cameras: policyStage.cameras,
    maxAgeS: {
      ...REPLAY_MAX_AGE_S,
      transforms: recording.topics.some(({ topic, usable }) => usable && topic.endsWith('/tf')) ? 1 : null,
      chunk: horizon * stepS + 2 * latencyS + 0.5,
    },
    movingModes: ['move', 'active'],
    topics: DEFAULT_INPUT_TOPICS,
    monotonicS: () => toSeconds(bus.clock.now() - jumped - start),
  });
  let refused: string | null = null;
  const errors: number[] = [];
  stage.commands.subscribe(({ stamp, positions }) => {
    const command = recording.commands && commandAt(recording.commands, stamp);
    if (command) errors.push(Math.max(...positions.map((q, j) => Math.abs(q - command[j]!))));
  });
  policyStage.observed.subscribe(() => {
    if (stage.phase !== 'idle') return;
    try {
      stage.start();
    } catch (error) {
      refused ??= describeError(error);
    }
  });
  return {
    stage,
    report: () => {
      const { phase, commands, holds, stops, limited, queue: queued, gripper_moves: moves } = stage.figures();
      return {
        arm: arm.name,
        mode,
        phase,
        commands,
        holds,
        overruns: queued.overruns,
        chunks: queued.chunks,
        late_chunks: queued.late,
        slack_s: queued.slack_s,
        limited,
        stops: stops.map(({ at, code, message, remedy }) => ({ at_s: toSeconds(at - start), code, message, remedy })),
        start_refused: phase === 'idle' ? refused : null,
        gripper_moves: moves,
        command_error_rad: errors.length === 0 ? null : summarizeErrors(errors),
      };
    },
  };
}

/** Recordings come at their own rates, some of them slow. */
const REPLAY_MAX_AGE_S = { images: 0.5, joints: 0.3, samePicture: 2 };
