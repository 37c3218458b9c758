import type { Arm } from '../core/arm.js';
import { ConfigurationError } from '../core/errors.js';
import { checkLatency, type QueueOptions } from '../execution/chunk-queue.js';
import { DEFAULT_TRACKING } from '../execution/tracking.js';
import { loadArm } from '../files/arm-file.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder } from '../grounding/grounder.js';
import { HeldObjectGrounder } from '../grounding/held-object-grounder.js';
import { AgreementMonitor } from '../node/agreement-monitor.js';
import { ExecutionStage, type WatchLimits } from '../node/execution-stage.js';
import { HeldObject } from '../node/held-object.js';
import { PlannerNode } from '../node/planner-node.js';
import { Assembly } from './assembly.js';
import { forecastCamera, resolveCameras } from './cameras.js';
import type { NodeConfig } from './config/node-config.js';
import { feedOptions, framesOf } from './feed-options.js';
import { forecastStepS } from './forecast-step.js';
import { FORECASTERS } from './forecasters.js';
import { GROUNDERS } from './grounders.js';
import { PLANNERS, type OpenPlanner } from './planners.js';
import { openRecorder } from './recording.js';
import { RepeatedClick } from './repeated-click.js';
import { type World } from './world.js';

/**
 * The one place where stages are made and wired. Opening fails whole or not at all: what was opened before the error is closed again. Models belong to
 * the world, which closes them.
 * @throws ConfigurationError and InputError of whatever cannot be opened, OutputError where the recording cannot be written.
 */
export async function assemble(config: NodeConfig, world: World): Promise<Assembly> {
  const closers: (() => void | Promise<void>)[] = [];
  try {
    return await assembleInto(closers, config, world);
  } catch (error) {
    for (const close of closers.reverse()) await close();
    throw error;
  }
}

async function assembleInto(
  closers: (() => void | Promise<void>)[],
  config: NodeConfig,
  world: World,
): Promise<Assembly> {
  const { bus } = world;
  const arm = await loadArm(config.arm.model);
  const frames = framesOf(config, arm);
  const cameras = resolveCameras(config.cameras, world.topics);
  const camera = forecastCamera(config, cameras, world);
  const held = new HeldObject();
  const forecaster = await FORECASTERS.open(config.forecasting.forecaster, config.forecasting.options, {
    world,
    seed: config.seed,
  });
  const stepS = forecastStepS(config, forecaster, world);
  const planner = await PLANNERS.open(config.planning.planner, config.planning.options, {
    world,
    config,
    arm,
    cameras: cameras.map((one) => one.camera),
    forecastCamera: camera ?? '',
    held,
  });
  const clicks = new ClickGrounder({ points: config.grounding.points, seed: config.seed });
  const grounders = await openGrounders(config, world, clicks, camera ?? '');
  const isFollowed = world.isCommanded && planner !== null && config.grounding.follow_hand;
  const heldGrounder = (inner: Grounder): Grounder =>
    isFollowed
      ? new HeldObjectGrounder(inner, {
          heldSince: () => held.since,
          handFrame: frames.hand,
          fixedFrame: frames.base,
        })
      : inner;
  const execution = planner && new ExecutionStage(bus, executionOptions(config, arm, planner, world));
  if (execution)
    closers.push(() => {
      execution.close();
    });
  execution?.commands.subscribe((command) => {
    held.sawCommand(command);
  });
  const planning = planner?.stage(() => (world.isCommanded ? execution!.wantsChunk() : true)) ?? null;
  const agreement = planner?.looksItself
    ? new AgreementMonitor(bus, {
        topic: config.topics.agreement,
        tool: FRANKA_HAND_TCP,
        gateM: config.execution.gate_m,
        isHolding: () => held.since !== null,
      })
    : null;
  if (agreement)
    closers.push(() => {
      agreement.close();
    });
  else if (config.execution.gate_m !== null) throw uselessGate(config);
  const node = new PlannerNode(
    bus,
    {
      feed: {
        ...feedOptions(config, arm, cameras),
        forecastCamera: camera ?? '',
        window: { frames: forecaster.forecaster.historySize, stepS },
      },
      forecasting: {
        periodS: forecastPeriodS(config, planner),
        stepS,
        transformWaitS: config.frames.transform_wait_s,
      },
      baseFrame: frames.base,
      fixedFrame: config.frames.fixed === 'auto' ? null : config.frames.fixed,
      showsOverlay: config.visualization.overlay,
      diagnosticsPeriodS: config.visualization.diagnostics_period_s,
    },
    {
      clicks,
      grounders: grounders.map(heldGrounder),
      forecaster: forecaster.forecaster,
      planning,
      execution,
      agreement,
    },
  );
  closers.push(() => node.close());
  const recorder = await openRecorder(config, world);
  const parts = {
    config,
    arm,
    cameras,
    forecastCamera: camera,
    forecaster,
    stepS,
    planner,
    planning,
    execution,
    agreement,
    held,
    node,
  };
  return new Assembly(
    parts,
    () => recorder?.settle(),
    async (keepRecording) => {
      try {
        if (keepRecording) await recorder?.commit();
        else await recorder?.abort();
      } finally {
        for (const close of closers.reverse()) await close();
      }
    },
  );
}

/** Clicks come first: whoever points at something means it. */
async function openGrounders(
  config: NodeConfig,
  world: World,
  clicks: ClickGrounder,
  camera: string,
): Promise<readonly Grounder[]> {
  const { grounding, seed } = config;
  const chosen = await GROUNDERS.open(grounding.grounder, grounding.options, {
    world,
    lifting: { points: grounding.points, seed },
  });
  const given = grounding.clicks.map((click) => ({ camera: click.camera ?? camera, pixel: click.pixel }));
  if (grounding.repeat_clicks && given.length > 0) return [new RepeatedClick(clicks, given)];
  for (const click of given) clicks.click(click.camera, click.pixel);
  return chosen ? [clicks, chosen] : [clicks];
}

/** Forecasts that cost nothing are made once a second, those that a model or a policy waits for as often as there is something to see. */
const IDLE_PERIOD_S = 1;

function forecastPeriodS({ forecasting }: NodeConfig, planner: OpenPlanner | null): number {
  if (forecasting.period_s !== 'auto') return forecasting.period_s;
  return planner || FORECASTERS.needsModel(forecasting.forecaster) ? 0 : IDLE_PERIOD_S;
}

function executionOptions(
  { execution, topics }: NodeConfig,
  arm: Arm,
  planner: OpenPlanner,
  world: World,
): ConstructorParameters<typeof ExecutionStage>[1] {
  const { limits, gripper, watchdog, latency_s: latencyS } = execution;
  const queue: QueueOptions = {
    mode: execution.mode,
    executedSteps: planner.executedSteps,
    blendSteps: execution.blend_steps,
    speed: execution.speed,
  };
  checkLatency(queue, planner.horizon, planner.stepS, latencyS);
  const { chunkDelayS } = world;
  return {
    arm,
    limiter: {
      periodS: planner.stepS,
      maxDeltaRad: limits.max_delta_rad,
      deltaRule: limits.delta_rule,
      marginRad: limits.position_margin_rad,
      speed: execution.speed,
    },
    queue,
    commitTicks: execution.commit_ticks,
    historyTicks: execution.history_ticks,
    gripper: { convention: planner.gripper, debounceTicks: gripper.debounce_ticks },
    relativeActions: planner.isRelative,
    dryRun: execution.dry_run,
    latencyS,
    ...(chunkDelayS && { simulatedLatencyS: () => chunkDelayS(latencyS) }),
    isRecorded: !world.isCommanded,
    // A recorded arm follows the recorded commands, not these.
    tracking: world.isCommanded
      ? {
          lagS: watchdog.tracking_lag_s,
          measuredRad: watchdog.tracking_rad,
          referenceRad: DEFAULT_TRACKING.referenceRad,
        }
      : null,
    cameras: planner.cameras,
    maxAgeS: watchLimits(execution, topics, planner, world),
    movingModes: execution.moving_modes,
    topics,
    monotonicS: world.monotonicS,
  };
}

const TRANSFORMS_AGE_S = 1;
/** Of a plan, beyond the length of a chunk and its latency. */
const SPARE_S = 0.5;

function watchLimits(
  { watchdog, latency_s: latencyS, speed }: NodeConfig['execution'],
  { tf }: NodeConfig['topics'],
  { horizon, stepS }: OpenPlanner,
  { topics }: World,
): WatchLimits {
  const hasTransforms = topics.some(({ topic }) => topic === tf);
  const chunkS = watchdog.chunk_s === 'auto' ? (horizon * stepS) / speed + latencyS + SPARE_S : watchdog.chunk_s;
  return {
    images: watchdog.images_s,
    joints: watchdog.joints_s,
    transforms: watchdog.transforms_s === 'auto' ? (hasTransforms ? TRANSFORMS_AGE_S : null) : watchdog.transforms_s,
    chunk: chunkS + latencyS,
    samePicture: watchdog.same_picture_s ?? Number.POSITIVE_INFINITY,
  };
}

function uselessGate({ execution, planning }: NodeConfig): ConfigurationError {
  return new ConfigurationError({
    code: 'execution.gate',
    message: `execution.gate_m is ${execution.gate_m} m, and the planner "${planning.planner}" makes no plan that could differ from the forecast`,
    remedy: 'choose a policy as the planner, or leave the gate out',
  });
}
