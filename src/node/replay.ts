import { MemoryBus } from '../bus/memory/memory-bus.js';
import { VirtualClock } from '../bus/memory/virtual-clock.js';
import type { MessageType } from '../bus/messages.js';
import { isKnownType } from '../bus/definitions.js';
import { ConfigurationError, describeError, InputError, PlannerError } from '../core/errors.js';
import type { PointTracks } from '../core/point-tracks.js';
import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import { distance, type Pixel } from '../core/vector.js';
import { pointMotionMetrics, type Metrics, type ScoredPrediction } from '../evaluation/metrics.js';
import {
  ChunkComparison,
  commandAt,
  summarizeErrors,
  type ChunkFigures,
  type ErrorSummary,
} from '../evaluation/chunk-comparison.js';
import { checkLatency, type QueueOptions } from '../execution/chunk-queue.js';
import { ROBOTIQ_2F85 } from '../execution/gripper.js';
import type { Arm } from '../core/arm.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder } from '../grounding/grounder.js';
import { POINT_COUNT } from '../grounding/lift-points.js';
import { TrackGrounder } from '../grounding/track-grounder.js';
import type { PolicyInput } from '../inference/model-input.js';
import { ActionExpertPolicy } from '../planning/action-expert-policy.js';
import { play, replayQos } from '../recordings/player.js';
import { Recorder } from '../recordings/recorder.js';
import type { Recording, RecordingProblem } from '../recordings/recording.js';
import { MILLIMETRES } from '../sensing/depth-image.js';
import { ExecutionStage } from './execution-stage.js';
import { FaultyNetwork, FaultyRecording, injectedLatencyS, type FaultName, type InjectedFault } from './faults.js';
import { findCameras, type CameraTopics } from './camera-topics.js';
import type { LatencySummary } from './latencies.js';
import { DEFAULT_INPUT_TOPICS, MODEL_STEP_S, OUTPUT_TOPICS } from './planner-options.js';
import { Planner, type PlannerResult } from './planner.js';
import { PolicyStage } from './policy-stage.js';
import type { Refusal } from './refusals.js';
import { scoreForecast, trueFuture } from './truth.js';

export interface ReplayOptions {
  readonly forecaster: Forecaster;
  /** Plans beside the forecasts. */
  readonly policy?: ReplayPolicy;
  /** What becomes of the chunks; they are only compared with the recorded actions where it is left out. */
  readonly execution?: ReplayExecution;
  /** Things to go wrong on the way. */
  readonly faults?: readonly InjectedFault[];
  /** Where to record inputs and outputs; nothing is recorded when left out. */
  readonly recordTo?: string;
  readonly instruction?: string;
  /** Pixels to ground at, at the first complete window of their camera. */
  readonly clicks?: readonly { readonly camera?: string; readonly pixel: Pixel }[];
  readonly camera?: string;
  readonly periodS: number;
  /** Stop after the first forecast. */
  readonly once?: boolean;
  readonly seed: number;
  readonly fromS?: number;
  readonly durationS?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (played: Nanoseconds, whole: Nanoseconds) => void;
}

export interface ReplayPolicy {
  readonly policy: ActionExpertPolicy;
  /** What the bundle says about its input. */
  readonly input: Pick<PolicyInput, 'cameras' | 'observationSteps' | 'observationStepDelta' | 'executedSteps'>;
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

export interface ReplayReport {
  readonly recording: string;
  readonly kind: Recording['kind'];
  readonly instruction: string | null;
  readonly forecaster: string;
  readonly camera: string | null;
  readonly duration_s: number;
  readonly wall_s: number;
  /** Recorded seconds per second of computing. */
  readonly times_real_time: number;
  /** Largest resident memory of the process so far. */
  readonly peak_rss_mb: number;
  readonly messages: { readonly total: number; readonly per_topic: Readonly<Record<string, number>> };
  readonly stages: {
    readonly sensing: {
      readonly frames: number;
      readonly windows: number;
      /** Pictures without enough history before them. */
      readonly incomplete_windows: number;
      readonly joint_states: number;
      readonly transforms: number;
    };
    readonly grounding: { readonly queries: number };
    readonly forecasting: { readonly forecasts: number };
    readonly planning: { readonly chunks: number };
  };
  readonly latencies_ms: Readonly<Record<string, LatencySummary>>;
  readonly refusals: readonly Refusal[];
  readonly problems: readonly RecordingProblem[];
  /** Null where the recording does not know the truth. */
  readonly metrics: { readonly paper: Metrics; readonly released: Metrics; readonly forecasts_scored: number } | null;
  /** Planned chunks against the recorded actions; null without a policy, or where the recording has no actions. */
  readonly policy: ChunkFigures | null;
  /** Null where nothing was executed. */
  readonly execution: ExecutionReport | null;
}

export interface ReplayOutcome {
  readonly report: ReplayReport;
  /** The forecast with the longest motion, for a picture; null when there was none. */
  readonly highlight: (PlannerResult & { readonly truth: ReturnType<typeof trueFuture> | null }) | null;
  /** Errors of the forecasts that failed, the first of each code. */
  readonly failures: readonly unknown[];
}

/** A recording of an earlier replay holds these too. (Diagnostics are everybody's.) */
const OWN_TOPICS: ReadonlySet<string> = new Set(
  Object.values(OUTPUT_TOPICS).filter((topic) => topic !== OUTPUT_TOPICS.diagnostics),
);
/** tf2's usual patience. */
const TF_WAIT_S = 0.2;
/** Most a stamp may differ between colour and depth: half a frame at 15 Hz. */
const MAX_INTERVAL_S = MODEL_STEP_S / 2;

/** Plays a recording through the stages and reports what came out. @throws InputError, OutputError, CancelledError. */
export async function replay(given: Recording, options: ReplayOptions): Promise<ReplayOutcome> {
  const faults = options.faults ?? [];
  const recording = faults.length > 0 ? new FaultyRecording(given, faults) : given;
  if (!recording.timeRange) {
    throw new InputError({
      code: 'recording.empty',
      message: `${recording.path} holds no message`,
      remedy: 'record again, and check the topics with: ros2 bag info',
    });
  }
  const usable = recording.topics.filter((topic) => topic.usable);
  const cameras = findCameras(usable);
  const camera = chooseCamera(cameras, recording.tracks, options);
  const clock = new VirtualClock(recording.timeRange[0]);
  const bus = new MemoryBus(clock);
  const stepS = recording.tracks ? trackStepS(recording.tracks) : MODEL_STEP_S;
  const clicks = new ClickGrounder({ points: POINT_COUNT, seed: options.seed });
  const tracks = recording.tracks && new TrackGrounder(recording.tracks, { points: POINT_COUNT, seed: options.seed });
  const grounders: Grounder[] = tracks ? [clicks, tracks] : [clicks];
  const start = recording.timeRange[0];
  const isActive = (name: FaultName): boolean =>
    faults.some((fault) => fault.name === name && clock.now() >= start + fromSeconds(fault.atS));
  const stage = options.policy ? policyStage(options.policy, cameras, options, isActive) : null;
  const execution =
    stage && options.policy && options.execution
      ? executionStage(bus, stage, options.policy, options.execution, recording, isActive)
      : null;
  const comparison =
    options.policy && recording.commands
      ? new ChunkComparison(recording.commands, options.policy.input.executedSteps)
      : null;
  stage?.results.subscribe(({ chunk }) => comparison?.add(chunk));
  const planner = new Planner(
    bus,
    {
      cameras,
      forecastCamera: camera?.camera ?? '',
      window: { frames: options.forecaster.historySize, stepS },
      periodS: options.periodS,
      // Where the task is to change on the way, it comes from its topic.
      ...(instructionOf(recording, options) !== null &&
        !faults.some(({ name }) => name.startsWith('instruction')) && {
          instruction: instructionOf(recording, options)!,
        }),
      topics: DEFAULT_INPUT_TOPICS,
      maxIntervalS: MAX_INTERVAL_S,
      tfWaitS: TF_WAIT_S,
      depthScaleM: MILLIMETRES,
    },
    grounders,
    options.forecaster,
    stage,
    execution?.stage ?? null,
  );
  planner.acceptClicks(clicks);
  for (const click of options.clicks ?? []) clicks.click(click.camera ?? camera?.camera ?? '', click.pixel);
  // Pictures of videos are unpacked here, and would make a large file; those of an MCAP come as they were kept.
  const recorder =
    options.recordTo === undefined
      ? null
      : await Recorder.create(bus, options.recordTo, recording.kind === 'mcap' ? 'none' : 'zstd');
  const scores: ScoredPrediction[] = [];
  const failures = new Map<string, unknown>();
  const enough = new AbortController();
  let highlight: ReplayOutcome['highlight'] = null;
  try {
    if (recorder) recordTopics(recorder, recording);
    planner.failures.subscribe((error) => {
      const code = error instanceof PlannerError ? error.code : 'unexpected';
      if (!failures.has(code)) failures.set(code, error);
    });
    planner.results.subscribe((result) => {
      const { tracks: indices } = result.query;
      const truth = recording.tracks && indices ? trueFuture(recording.tracks, indices, result.forecast) : null;
      const score = truth && scoreForecast(result.forecast, truth);
      if (score) scores.push(score);
      if (!highlight || motionOf(result) > motionOf(highlight)) highlight = { ...result, truth };
      if (options.once) enough.abort();
    });
    const began = performance.now();
    const played = await play(recording, bus, {
      settle: () => eitherBusy(planner.settle(), recorder?.settle()),
      ...(options.signal && { signal: options.signal }),
      enough: enough.signal,
      skip: OWN_TOPICS,
      ...(options.fromS !== undefined && { fromS: options.fromS }),
      ...(options.durationS !== undefined && { durationS: options.durationS }),
      ...(options.onProgress && { onProgress: options.onProgress }),
    });
    await planner.flush();
    await recorder?.commit();
    const wallS = (performance.now() - began) / 1000;
    const durationS = toSeconds(clock.now() - recording.timeRange[0]) - (options.fromS ?? 0);
    return {
      report: {
        recording: recording.path,
        kind: recording.kind,
        instruction: planner.instruction === '' ? null : planner.instruction,
        forecaster: options.forecaster.name,
        camera: camera?.camera ?? null,
        duration_s: durationS,
        wall_s: wallS,
        times_real_time: durationS / wallS,
        peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
        messages: { total: played.messages, per_topic: Object.fromEntries(played.perTopic) },
        stages: {
          sensing: {
            frames: planner.counts.frames,
            windows: planner.counts.windows,
            incomplete_windows: planner.counts.incompleteWindows,
            joint_states: planner.counts.jointStates,
            transforms: planner.counts.transforms,
          },
          grounding: { queries: planner.counts.queries },
          forecasting: { forecasts: planner.counts.forecasts },
          planning: { chunks: planner.counts.chunks },
        },
        latencies_ms: planner.latencies.summary(),
        refusals: planner.refusals.list,
        problems: recording.problems,
        metrics:
          scores.length === 0
            ? null
            : {
                paper: pointMotionMetrics(scores, 'paper'),
                released: pointMotionMetrics(scores, 'released'),
                forecasts_scored: scores.length,
              },
        policy: comparison?.figures() ?? null,
        execution: execution?.report() ?? null,
      },
      highlight,
      failures: [...failures.values()],
    };
  } catch (error) {
    await recorder?.abort();
    throw error;
  } finally {
    await planner.close();
    execution?.stage.close();
    await bus.close();
  }
}

function instructionOf(recording: Recording, options: ReplayOptions): string | null {
  return options.instruction ?? recording.instruction;
}

/** The camera that is asked for, that the known tracks were seen from, or the first one; one with depth first. */
function chooseCamera(
  cameras: readonly CameraTopics[],
  tracks: PointTracks | null,
  options: ReplayOptions,
): CameraTopics | null {
  const wanted = options.camera ?? options.clicks?.find((click) => click.camera !== undefined)?.camera;
  if (wanted !== undefined) {
    const found = cameras.find(({ camera }) => camera === wanted);
    if (found) return found;
    throw new ConfigurationError({
      code: 'camera.unknown',
      message: `the recording has no camera "${wanted}" (it has: ${cameras.map(({ camera }) => camera).join(', ') || 'none'})`,
      remedy: 'name one of them',
    });
  }
  return (
    cameras.find(({ camera }) => camera === tracks?.camera) ??
    cameras.find(({ depth }) => depth !== null) ??
    cameras[0] ??
    null
  );
}

/** Names that the published simulator policy takes in place of its own. */
const CAMERA_ALIASES: ReadonlyMap<string, string> = new Map([
  ['exo_camera_1', 'droid_shoulder_light_randomization'],
  ['wrist_camera', 'wrist_camera_zed_mini'],
]);

/** @throws ConfigurationError `policy.camera` where the recording lacks a camera that the policy was trained with. */
function policyStage(
  { policy, input, cameras: renamed }: ReplayPolicy,
  cameras: readonly CameraTopics[],
  { periodS, seed }: ReplayOptions,
  isActive: (name: FaultName) => boolean,
): PolicyStage {
  const names = cameras.map(({ camera }) => camera);
  const chosen = input.cameras.map((wanted) => {
    const candidates = renamed.has(wanted) ? [renamed.get(wanted)!] : [wanted, CAMERA_ALIASES.get(wanted)];
    const found = candidates.find((name) => name !== undefined && names.includes(name));
    if (found !== undefined) return found;
    throw new ConfigurationError({
      code: 'policy.camera',
      message: `the policy looks through "${candidates[0]!}", which is not among the cameras of the recording (${names.join(', ') || 'none'})`,
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
  });
}

interface ReplayedExecution {
  readonly stage: ExecutionStage;
  readonly report: () => ExecutionReport;
}

/** Nobody is in danger of a replay: its arm is started by itself, once, and stays stopped when it was stopped. */
function executionStage(
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
    gripper: { convention: ROBOTIQ_2F85 },
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
  stage.onCommand(({ stamp, positions }) => {
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

/** Everything that is played, and everything that the planner says. */
function recordTopics(recorder: Recorder, recording: Recording): void {
  for (const { topic, type, usable, latched } of recording.topics) {
    const name = type.includes('/msg/') ? type : type.replace('/', '/msg/');
    if (usable && isKnownType(name) && !OWN_TOPICS.has(topic)) recorder.record(topic, name, replayQos(topic, latched));
  }
  const outputs: readonly (readonly [string, MessageType])[] = [
    [OUTPUT_TOPICS.queryPoints, 'molmo_motion_planner/msg/QueryPoints'],
    [OUTPUT_TOPICS.forecast, 'molmo_motion_planner/msg/PointForecast'],
    [OUTPUT_TOPICS.markers, 'visualization_msgs/msg/MarkerArray'],
    [OUTPUT_TOPICS.path, 'nav_msgs/msg/Path'],
    [OUTPUT_TOPICS.points, 'sensor_msgs/msg/PointCloud2'],
    [OUTPUT_TOPICS.chunk, 'trajectory_msgs/msg/JointTrajectory'],
    [OUTPUT_TOPICS.command, 'trajectory_msgs/msg/JointTrajectory'],
    [OUTPUT_TOPICS.gripper, 'std_msgs/msg/Float64'],
    [OUTPUT_TOPICS.overlay, 'sensor_msgs/msg/CompressedImage'],
    [OUTPUT_TOPICS.diagnostics, 'diagnostic_msgs/msg/DiagnosticArray'],
  ];
  for (const [topic, type] of outputs) recorder.record(topic, type);
}

function trackStepS({ stamps }: PointTracks): number {
  return stamps.length < 2 ? MODEL_STEP_S : toSeconds(stamps.at(-1)! - stamps[0]!) / (stamps.length - 1);
}

/** Longest way of any point from its start, metres. */
function motionOf({ forecast }: PlannerResult): number {
  return Math.max(
    0,
    ...forecast.positions.flatMap((track, p) =>
      track.flatMap((point) => (point ? [distance(point, forecast.start[p]!)] : [])),
    ),
  );
}

function eitherBusy(a: Promise<void> | undefined, b: Promise<void> | undefined): Promise<void> | undefined {
  return a && b ? Promise.all([a, b]).then(() => undefined) : (a ?? b);
}
