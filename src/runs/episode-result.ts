import { PlannerError, type InputError } from '../core/errors.js';
import type { Forecast } from '../core/forecast.js';
import { MODEL_STEP_S, toSeconds, type Nanoseconds } from '../core/time.js';
import { countBy, type EpisodeResult } from '../evaluation/episodes.js';
import { pointMotionMetrics, type ScoredPrediction } from '../evaluation/metrics.js';
import { scoreForecast } from '../evaluation/score-forecast.js';
import type { MotionHistory } from '../simulator/motion-history.js';
import type { SceneConfig } from '../simulator/scene-config.js';
import type { Scene } from '../simulator/scene.js';
import { unseenIn } from '../simulator/unseen.js';
import type { SimulatedRobot } from '../simulator/simulated-robot.js';
import type { Simulation } from '../simulator/simulation.js';
import { judge } from '../simulator/success.js';
import type { RunningEpisode } from './running-episode.js';

/** Watches an episode, and says in the end what came of it. */
export class EpisodeObserver {
  /** Why the arm was not started; null once it was. */
  startRefused: string | null = null;
  readonly #episode: RunningEpisode;
  readonly #simulation: Simulation;
  readonly #robot: SimulatedRobot;
  readonly #history: MotionHistory;
  readonly #start: Nanoseconds;
  /** Forecasts that were made while the object was held. */
  readonly #forecasts: Forecast[] = [];
  readonly #latencies: number[] = [];
  #lastFailure: unknown = null;

  constructor(episode: RunningEpisode, simulation: Simulation, robot: SimulatedRobot, history: MotionHistory) {
    this.#episode = episode;
    this.#simulation = simulation;
    this.#robot = robot;
    this.#history = history;
    const { assembly, bus } = episode;
    this.#start = bus.clock.now();
    assembly.chunks.subscribe(({ timings }) => this.#latencies.push(timings['total']!));
    assembly.results.subscribe(({ forecast }) => {
      if (assembly.isHolding) this.#forecasts.push(forecast);
    });
    assembly.failures.subscribe((error) => (this.#lastFailure = error));
  }

  result(scenes: SceneConfig, seed: number, ticks: number, wallS: number): EpisodeResult {
    const { scene, assembly } = this.#episode;
    const { commands = 0, holds = 0, limited = [], stops = [] } = assembly.execution ?? {};
    const outcome = judge(this.#simulation);
    return {
      seed,
      instruction: scene.task.instruction,
      success: outcome.success,
      failure: outcome.failure === null ? null : this.#whyNot(outcome.failure),
      unseen: unseenIn(scenes, scene),
      simulated_s: ticks * MODEL_STEP_S,
      wall_s: wallS,
      spent_ms: this.#spent(),
      forecasts: assembly.counts.forecasts,
      forecast_error_m: this.#forecastError(),
      chunk_latencies_ms: this.#latencies.map((ms) => Math.round(ms * 1000) / 1000),
      moved_m: this.#moved(),
      commands,
      holds,
      limited: countBy(limited),
      stops: stops.map(({ at, code, message }) => ({ at_s: toSeconds(at - this.#start), code, message })),
      refusals: assembly.refusals.map(({ stage, code, count, message }) => ({ stage, code, count, message })),
    };
  }

  /** What went wrong first on the way to this end. */
  #whyNot(end: keyof typeof ENDS): { readonly code: string; readonly message: string } {
    if (this.#robot.reflex !== null) return { code: 'robot.reflex', message: this.#robot.reflex };
    if (this.startRefused !== null) return { code: 'start.refused', message: this.startRefused };
    const stop = this.#episode.assembly.status?.lastStop;
    // A plan that does not come stops the arm; why it did not come says more.
    const failure = this.#lastFailure;
    if (stop?.code === 'stale.chunk' && failure instanceof PlannerError)
      return { code: failure.code, message: failure.message };
    if (stop) return { code: stop.code, message: stop.message };
    return { code: `object.${end}`, message: ENDS[end] };
  }

  #moved(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#episode.scene.objects.map(({ name, label, position: [x, y] }) => {
        const at = this.#simulation.poseOf(name).translation;
        return [label, Math.hypot(at[0] - x, at[1] - y)];
      }),
    );
  }

  #spent(): Readonly<Record<string, number>> {
    // What is called sensing contains the planning that a picture sets off.
    const stages = Object.entries(this.#episode.assembly.latencies).filter(([name]) => name !== 'sensing');
    return { ...this.#robot.spentMs, ...Object.fromEntries(stages.map(([name, { total }]) => [name, total])) };
  }

  #forecastError(): EpisodeResult['forecast_error_m'] {
    const scores = this.#forecasts.flatMap((forecast): ScoredPrediction[] => {
      const score = scoreForecast(forecast, this.#history.futureOf(forecast));
      return score ? [score] : [];
    });
    const { ADE, FDE } = pointMotionMetrics(scores, 'released');
    return ADE === null || FDE === null ? null : { ADE, FDE, forecasts: scores.length };
  }
}

const ENDS = {
  held: 'the gripper has not let go of the object',
  outside: 'the object is not in its receptacle',
  moving: 'the object has not come to rest',
} as const;

/** There is no future to be played: the expert cannot do this task. */
export function notBegun(scenes: SceneConfig, seed: number, scene: Scene, error: InputError): EpisodeResult {
  return {
    seed,
    instruction: scene.task.instruction,
    success: false,
    failure: { code: 'forecaster.none', message: error.message },
    unseen: unseenIn(scenes, scene),
    simulated_s: 0,
    wall_s: 0,
    spent_ms: {},
    forecasts: 0,
    forecast_error_m: null,
    chunk_latencies_ms: [],
    moved_m: {},
    commands: 0,
    holds: 0,
    limited: {},
    stops: [],
    refusals: [],
  };
}
