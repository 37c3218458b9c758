import { MemoryBus } from '../bus/memory/memory-bus.js';
import { VirtualClock } from '../bus/memory/virtual-clock.js';
import { isKnownType } from '../bus/definitions.js';
import { ConfigurationError, InputError, PlannerError } from '../core/errors.js';
import type { PointTracks } from '../core/point-tracks.js';
import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import type { Pixel } from '../core/vector.js';
import { pointMotionMetrics, type Metrics, type ScoredPrediction } from '../evaluation/metrics.js';
import { ChunkComparison, type ChunkFigures } from '../evaluation/chunk-comparison.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder } from '../grounding/grounder.js';
import { POINT_COUNT } from '../grounding/lift-points.js';
import { TrackGrounder } from '../grounding/track-grounder.js';
import { play, replayQos } from '../recordings/player.js';
import { Recorder } from '../recordings/recorder.js';
import type { Recording, RecordingProblem } from '../recordings/recording.js';
import { MILLIMETRES } from '../sensing/depth-image.js';
import { FaultyRecording, needsPolicy, type FaultName, type InjectedFault } from './faults.js';
import { AgreementMonitor, type AgreementFigures } from './agreement-monitor.js';
import { findCameras, type CameraTopics } from './camera-topics.js';
import { motionOf } from './forecast-motion.js';
import type { LatencySummary } from './latencies.js';
import { policyStage, type OpenPolicy } from './open-policy.js';
import { DEFAULT_INPUT_TOPICS, MAX_INTERVAL_S, MODEL_STEP_S, OUTPUT_TOPICS } from './planner-options.js';
import { Planner, type PlannerResult } from './planner.js';
import { executionStage, type ExecutionReport, type ReplayExecution } from './replay-execution.js';
import { recordOutputs } from './recorded-topics.js';
import type { Refusal } from './refusals.js';
import { scoreForecast, trueFuture } from './truth.js';

export interface ReplayOptions {
  readonly forecaster: Forecaster;
  /** Plans beside the forecasts. */
  readonly policy?: OpenPolicy;
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
  /** How far chunks lead the gripper from where forecasts have the object; null where there was nothing to compare. */
  readonly agreement: AgreementFigures | null;
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

/** Plays a recording through the stages and reports what came out. @throws InputError, OutputError, CancelledError. */
export async function replay(given: Recording, options: ReplayOptions): Promise<ReplayOutcome> {
  const faults = options.faults ?? [];
  checkFaults(faults, given, options);
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
  const agreement = execution
    ? new AgreementMonitor(bus, { tool: FRANKA_HAND_TCP, gateM: options.execution?.gateM ?? null })
    : null;
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
    agreement,
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
        agreement: agreement?.figures() ?? null,
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
    agreement?.close();
    await bus.close();
  }
}

/** A fault that could not happen would look like one that was survived. @throws ConfigurationError `fault.time`, `fault.policy`. */
function checkFaults(faults: readonly InjectedFault[], { timeRange }: Recording, options: ReplayOptions): void {
  const wholeS = timeRange ? toSeconds(timeRange[1] - timeRange[0]) : 0;
  const fromS = options.fromS ?? 0;
  const endS = Math.min(wholeS, options.durationS === undefined ? wholeS : fromS + options.durationS);
  for (const { name, atS } of faults) {
    if (atS > endS || (atS < fromS && atS > 0)) {
      throw new ConfigurationError({
        code: 'fault.time',
        message: `the fault ${name} at ${atS} s is outside what is played (${fromS} to ${endS.toFixed(2)} s)`,
        remedy: 'choose a time within it',
      });
    }
    if (needsPolicy(name) && !options.policy) {
      throw new ConfigurationError({
        code: 'fault.policy',
        message: `the fault ${name} needs a policy, and none plans in this replay`,
        remedy: 'give --policy-bundle DIR',
      });
    }
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

/** Everything that is played, and everything that the planner says. */
function recordTopics(recorder: Recorder, recording: Recording): void {
  for (const { topic, type, usable, latched } of recording.topics) {
    const name = type.includes('/msg/') ? type : type.replace('/', '/msg/');
    if (usable && isKnownType(name) && !OWN_TOPICS.has(topic)) recorder.record(topic, name, replayQos(topic, latched));
  }
  recordOutputs(recorder);
}

function trackStepS({ stamps }: PointTracks): number {
  return stamps.length < 2 ? MODEL_STEP_S : toSeconds(stamps.at(-1)! - stamps[0]!) / (stamps.length - 1);
}

function eitherBusy(a: Promise<void> | undefined, b: Promise<void> | undefined): Promise<void> | undefined {
  return a && b ? Promise.all([a, b]).then(() => undefined) : (a ?? b);
}
