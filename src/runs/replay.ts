import { assemble } from '../assembly/assemble.js';
import type { Assembly } from '../assembly/assembly.js';
import type { NodeConfig } from '../assembly/config/node-config.js';
import type { ModelSource } from '../assembly/model-source.js';
import { PLANNERS } from '../assembly/planners.js';
import { MemoryBus } from '../bus/memory/memory-bus.js';
import { VirtualClock } from '../bus/memory/virtual-clock.js';
import { ConfigurationError, InputError, PlannerError } from '../core/errors.js';
import { fromSeconds, toSeconds, type Nanoseconds } from '../core/time.js';
import { trueFuture } from '../core/true-future.js';
import { ChunkComparison } from '../evaluation/chunk-comparison.js';
import { pointMotionMetrics, type ScoredPrediction } from '../evaluation/metrics.js';
import { scoreForecast } from '../evaluation/score-forecast.js';
import type { ModelRun } from '../inference/model.js';
import type { ForecastResult } from '../node/forecast-result.js';
import { topicFindings } from '../node/topic-findings.js';
import { OUTPUT_ROLES } from '../node/topics.js';
import { play, type PlayResult } from '../recordings/player.js';
import type { Recording } from '../recordings/recording.js';
import { injectedLatencyS, needsPolicy, type FaultName, type InjectedFault } from './faults.js';
import { faultyModels } from './faulty-network.js';
import { FaultyRecording } from './faulty-recording.js';
import { motionOf } from './forecast-motion.js';
import { recordingWorld, withRecordedTask } from './recording-world.js';
import type { ReplayReport } from './replay-report.js';
import { replayedExecution } from './replayed-execution.js';

export interface ReplayOptions {
  readonly config: NodeConfig;
  readonly models: ModelSource;
  /** Things to go wrong on the way. */
  readonly faults?: readonly InjectedFault[];
  /** Stop after the first forecast. */
  readonly once?: boolean;
  readonly fromS?: number;
  readonly durationS?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (played: Nanoseconds, whole: Nanoseconds) => void;
}

export interface ReplayOutcome {
  readonly report: ReplayReport;
  /** The forecast with the longest motion, for a picture; null when there was none. */
  readonly highlight: (ForecastResult & { readonly truth: ReturnType<typeof trueFuture> | null }) | null;
  /** Errors of the forecasts that failed, the first of each code. */
  readonly failures: readonly unknown[];
  /** The last run of the forecaster's model; null where it has none. */
  readonly lastRun: ModelRun | null;
}

/** Plays a recording through the stages and reports what came out. @throws ConfigurationError, InputError, OutputError, CancelledError. */
export async function replay(given: Recording, options: ReplayOptions): Promise<ReplayOutcome> {
  const faults = options.faults ?? [];
  checkFaults(faults, given, options);
  const config = configFor(given, faults, options.config);
  const recording = faults.length > 0 ? new FaultyRecording(given, faults, config.topics) : given;
  if (!recording.timeRange) {
    throw new InputError({
      code: 'recording.empty',
      message: `${recording.path} holds no message`,
      remedy: 'record again, and check the topics with: ros2 bag info',
    });
  }
  checkStart(recording.path, recording.timeRange, options.fromS);
  const [start] = recording.timeRange;
  const bus = new MemoryBus(new VirtualClock(start));
  try {
    const isActive = (name: FaultName): boolean =>
      faults.some((fault) => fault.name === name && bus.clock.now() >= start + fromSeconds(fault.atS));
    const world = recordingWorld(recording, bus, faultyModels(options.models, isActive), () =>
      injectedLatencyS(isActive),
    );
    const assembly = await assemble(config, world);
    let isDone = false;
    try {
      const outcome = await playThrough(recording, assembly, bus, options);
      isDone = true;
      return outcome;
    } finally {
      await assembly.close({ keepRecording: isDone });
    }
  } finally {
    await bus.close();
  }
}

async function playThrough(
  recording: Recording,
  assembly: Assembly,
  bus: MemoryBus<VirtualClock>,
  options: ReplayOptions,
): Promise<ReplayOutcome> {
  const observed = observe(recording, assembly);
  const execution = replayedExecution(assembly, recording);
  const enough = new AbortController();
  if (options.once) {
    assembly.results.subscribe(() => {
      enough.abort();
    });
  }
  const { topics } = assembly.config;
  const began = performance.now();
  const played = await play(recording, bus, {
    settle: () => assembly.settle(),
    ...(options.signal && { signal: options.signal }),
    enough: enough.signal,
    // A recording of an earlier replay holds what the stages will say anew. Diagnostics are everybody's.
    skip: new Set(OUTPUT_ROLES.filter((role) => role !== 'diagnostics').map((role) => topics[role])),
    ...(options.fromS !== undefined && { fromS: options.fromS }),
    ...(options.durationS !== undefined && { durationS: options.durationS }),
    ...(options.onProgress && { onProgress: options.onProgress }),
  });
  await assembly.flush();
  await assembly.settle();
  const wallS = (performance.now() - began) / 1000;
  const durationS = toSeconds(bus.clock.now() - recording.timeRange![0]) - (options.fromS ?? 0);
  return {
    report: {
      ...reportOf(recording, assembly, played),
      duration_s: durationS,
      wall_s: wallS,
      times_real_time: durationS / wallS,
      metrics: observed.metrics(),
      policy: observed.policy(),
      execution: execution(),
    },
    highlight: observed.highlight(),
    failures: observed.failures(),
    lastRun: assembly.forecaster.lastRun(),
  };
}

/** What is known of a replay only while it runs. */
function observe(
  recording: Recording,
  assembly: Assembly,
): {
  readonly metrics: () => ReplayReport['metrics'];
  readonly policy: () => ReplayReport['policy'];
  readonly highlight: () => ReplayOutcome['highlight'];
  readonly failures: () => readonly unknown[];
} {
  const { tracks, commands } = recording;
  const scores: ScoredPrediction[] = [];
  const failures = new Map<string, unknown>();
  let highlight: ReplayOutcome['highlight'] = null;
  const comparison =
    assembly.planner && commands ? new ChunkComparison(commands, assembly.planner.executedSteps) : null;
  assembly.chunks.subscribe(({ chunk }) => comparison?.add(chunk));
  assembly.failures.subscribe((error) => {
    const code = error instanceof PlannerError ? error.code : 'unexpected';
    if (!failures.has(code)) failures.set(code, error);
  });
  assembly.results.subscribe((result) => {
    const { tracks: indices } = result.query;
    const truth = tracks && indices ? trueFuture(tracks, indices, result.forecast) : null;
    const score = truth && scoreForecast(result.forecast, truth);
    if (score) scores.push(score);
    if (!highlight || motionOf(result) > motionOf(highlight)) highlight = { ...result, truth };
  });
  return {
    metrics: () =>
      scores.length === 0
        ? null
        : {
            paper: pointMotionMetrics(scores, 'paper'),
            released: pointMotionMetrics(scores, 'released'),
            forecasts_scored: scores.length,
          },
    policy: () => comparison?.figures() ?? null,
    highlight: () => highlight,
    failures: () => [...failures.values()],
  };
}

function reportOf(
  recording: Recording,
  assembly: Assembly,
  played: PlayResult,
): Omit<ReplayReport, 'duration_s' | 'wall_s' | 'times_real_time' | 'metrics' | 'policy' | 'execution'> {
  const { config, forecaster, forecastCamera, instruction, counts, latencies, refusals, agreement } = assembly;
  return {
    recording: recording.path,
    kind: recording.kind,
    instruction: instruction === '' ? null : instruction,
    forecaster: forecaster.forecaster.name,
    planner: config.planning.planner,
    camera: forecastCamera,
    peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    messages: { total: played.messages, per_topic: Object.fromEntries(played.perTopic) },
    stages: {
      sensing: {
        frames: counts.frames,
        windows: counts.windows,
        incomplete_windows: counts.incompleteWindows,
        joint_states: counts.jointStates,
        transforms: counts.transforms,
      },
      grounding: { queries: counts.queries },
      forecasting: { forecasts: counts.forecasts },
      planning: { chunks: counts.chunks },
    },
    latencies_ms: latencies,
    refusals,
    problems: [...recording.problems, ...assembly.findings, ...topicFindings(recording.topics, config.topics.joints)],
    agreement,
  };
}

/** Where a fault changes the task on the way, the task comes from its topic. */
function configFor(recording: Recording, faults: readonly InjectedFault[], config: NodeConfig): NodeConfig {
  const isChanged = faults.some(({ name }) => name.startsWith('instruction'));
  return isChanged ? { ...config, instruction: { text: null } } : withRecordedTask(config, recording);
}

/** @throws ConfigurationError `replay.from` when nothing is left to play. */
function checkStart(path: string, [start, end]: readonly [Nanoseconds, Nanoseconds], fromS = 0): void {
  const wholeS = toSeconds(end - start);
  if (fromS <= wholeS) return;
  throw new ConfigurationError({
    code: 'replay.from',
    message: `${path} is ${wholeS.toFixed(3)} s long, and the replay is to begin ${fromS} s after its start`,
    remedy: 'begin earlier (--from)',
  });
}

/** A fault that could not happen would look like one that was survived. @throws ConfigurationError `fault.time`, `fault.policy`. */
function checkFaults(
  faults: readonly InjectedFault[],
  { timeRange }: Recording,
  { config, ...options }: ReplayOptions,
): void {
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
    if (needsPolicy(name) && !PLANNERS.needsModel(config.planning.planner)) {
      throw new ConfigurationError({
        code: 'fault.policy',
        message: `the fault ${name} needs a policy, and none plans in this replay`,
        remedy: 'give --planner BUNDLE',
      });
    }
  }
}
