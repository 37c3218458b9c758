import type { MemoryBus } from '../bus/memory/memory-bus.js';
import type { VirtualClock } from '../bus/memory/virtual-clock.js';
import type { Arm } from '../core/arm.js';
import { describeError } from '../core/errors.js';
import { toSeconds } from '../core/time.js';
import { commandAt, summarizeErrors, type ErrorSummary } from '../evaluation/chunk-comparison.js';
import { checkLatency, type QueueOptions } from '../execution/chunk-queue.js';
import type { Recording } from '../recordings/recording.js';
import { ExecutionStage } from './execution-stage.js';
import { injectedLatencyS, type FaultName } from './faults.js';
import type { OpenPolicy } from './open-policy.js';
import { DEFAULT_INPUT_TOPICS } from './planner-options.js';
import type { PolicyStage } from './policy-stage.js';

/** Execution in a replay. */

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

export interface ReplayedExecution {
  readonly stage: ExecutionStage;
  readonly report: () => ExecutionReport;
}

/** Nobody is in danger of a replay: its arm is started by itself, once, and stays stopped when it was stopped. */
export function executionStage(
  bus: MemoryBus<VirtualClock>,
  policyStage: PolicyStage,
  { input }: OpenPolicy,
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
