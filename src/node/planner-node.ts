import { Subject, type Observable, type Subscription } from 'rxjs';
import type { Bus } from '../bus/bus.js';
import type { ActionChunk } from '../core/action-chunk.js';
import { PlannerError } from '../core/errors.js';
import type { Forecast } from '../core/forecast.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoints } from '../core/query-points.js';
import { fromSeconds } from '../core/time.js';
import type { Fault } from '../execution/watchdogs.js';
import type { Forecaster } from '../forecasting/forecaster.js';
import { TfBuffer } from '../geometry/tf-buffer.js';
import type { Transform } from '../geometry/transform.js';
import type { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder } from '../grounding/grounder.js';
import type { AgreementMonitor } from './agreement-monitor.js';
import type { ExecutionStage } from './execution-stage.js';
import { ForecastPublisher } from './forecast-publisher.js';
import type { ForecastResult } from './forecast-result.js';
import { ForecastScheduler, type ForecastSchedulerOptions, type Moment } from './forecast-scheduler.js';
import { GroundingStage } from './grounding-stage.js';
import { Latencies } from './latencies.js';
import type { PlannedChunk, PlanningStage } from './planning-stage.js';
import { RefusalCounter, type Stage } from './refusals.js';
import { SensorFeed, type SensorFeedOptions } from './sensor-feed.js';

export interface PlannerNodeOptions {
  readonly feed: SensorFeedOptions;
  readonly forecasting: ForecastSchedulerOptions;
  /** The arm's base. */
  readonly baseFrame: string;
  /** One that does not move with the robot; null takes the root of the transform tree. */
  readonly fixedFrame: string | null;
  /** Draw forecasts into pictures, where somebody listens. */
  readonly showsOverlay: boolean;
  /** Between two messages on the diagnostics topic, seconds. */
  readonly diagnosticsPeriodS: number;
}

/** The stages, opened. */
export interface NodeStages {
  /** Takes the clicks of the bus. */
  readonly clicks: ClickGrounder;
  /** Asked in order; the first that has something to ground is used. */
  readonly grounders: readonly Grounder[];
  readonly forecaster: Forecaster;
  /** Null where nobody plans. */
  readonly planning: PlanningStage | null;
  /** Makes commands of the chunks; null where nobody plans. */
  readonly execution: ExecutionStage | null;
  /** Compares chunks with forecasts; null where the plans come from the forecasts. */
  readonly agreement: AgreementMonitor | null;
}

/** Wires the stages to a bus: what is heard goes to the stages, and what they make goes from one to the next and onto the bus. */
export class PlannerNode {
  readonly results: Observable<ForecastResult>;
  /** Every chunk, executed or not. */
  readonly chunks: Observable<PlannedChunk>;
  /** Errors of single forecasts and chunks, as they happen; they are counted in `refusals` too. */
  readonly failures: Observable<unknown>;
  readonly refusals = new RefusalCounter();
  readonly latencies = new Latencies();
  readonly feed: SensorFeed;
  readonly scheduler: ForecastScheduler;
  readonly #bus: Bus;
  readonly #options: PlannerNodeOptions;
  readonly #stages: NodeStages;
  readonly #publisher: ForecastPublisher;
  readonly #results = new Subject<ForecastResult>();
  readonly #chunks = new Subject<PlannedChunk>();
  readonly #failures = new Subject<unknown>();
  readonly #subscriptions: Subscription[] = [];
  #chunkCount = 0;

  constructor(bus: Bus, options: PlannerNodeOptions, stages: NodeStages) {
    this.#bus = bus;
    this.#options = options;
    this.#stages = stages;
    this.results = this.#results.asObservable();
    this.chunks = this.#chunks.asObservable();
    this.failures = this.#failures.asObservable();
    const { planning, execution } = stages;
    if (options.feed.instruction !== null) execution?.setInstruction(options.feed.instruction);
    this.#publisher = new ForecastPublisher(bus, options.feed.topics, options.showsOverlay);
    const tf = new TfBuffer();
    const grounding = new GroundingStage(stages.grounders, tf, options.fixedFrame);
    this.scheduler = new ForecastScheduler(
      options.forecasting,
      grounding,
      stages.forecaster,
      {
        query: (query) => {
          this.#publisher.query(query);
        },
        forecast: (moment, query, forecast) => this.#tell(moment, query, forecast),
        failed: (stage, error, query) => {
          this.#forecastFailed(stage, error, query);
        },
      },
      this.latencies,
    );
    // Last of the stages: what is latched on the bus comes while it is made, and the others have to be there.
    this.feed = new SensorFeed(bus, options.feed, tf, this.#sensorListener(), this.refusals, this.latencies);
    if (planning) this.#connectPlanning(planning);
    this.#subscriptions.push(
      bus.clock.every(fromSeconds(options.diagnosticsPeriodS)).subscribe(() => {
        this.#tellDiagnostics();
      }),
      bus.clock.jumps.subscribe((by) => {
        if (by < 0n) this.#clear();
      }),
      bus.problems.subscribe((problem) => {
        this.refusals.add('sensing', problem);
      }),
    );
  }

  get counts(): Readonly<Record<NodeCount, number>> {
    return { ...this.feed.counts, ...this.scheduler.counts, chunks: this.#chunkCount };
  }

  /** A promise while a forecast or a chunk is being made; nothing when the stages are idle. */
  settle(): Promise<void> | undefined {
    const busy = [this.scheduler.settle(), this.#stages.planning?.settle()].filter((work) => work !== undefined);
    return busy.length === 0 ? undefined : Promise.all(busy).then(() => this.settle());
  }

  /** At the end of a stream: uses what was still waiting for a partner, and refuses what still waits for transforms. */
  async flush(): Promise<void> {
    this.feed.flush();
    await this.settle();
    this.scheduler.flush();
    this.#tellDiagnostics();
  }

  async close(): Promise<void> {
    this.scheduler.close();
    this.feed.close();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#stages.planning?.close();
    await this.settle();
    this.#publisher.close();
    this.#results.complete();
    this.#chunks.complete();
    this.#failures.complete();
  }

  #sensorListener(): ConstructorParameters<typeof SensorFeed>[3] {
    const { planning, execution, clicks } = this.#stages;
    return {
      frame: (frame) => {
        execution?.sawFrame(frame);
        const { joints, gripper, instruction } = this.feed;
        planning?.addFrame(frame, { joints, gripper, instruction });
        if (frame.camera === this.#options.feed.forecastCamera)
          this.scheduler.frame(frame, () => this.#momentOf(frame));
      },
      joints: (joints) => {
        execution?.sawJoints(joints);
      },
      gripper: (state) => {
        execution?.sawGripper(state);
      },
      instruction: (text) => {
        execution?.setInstruction(text);
      },
      click: (camera, pixel) => {
        clicks.click(camera, pixel);
      },
      transform: (stamp) => {
        execution?.sawTransforms(stamp);
      },
      transformsChanged: () => {
        this.scheduler.transformsChanged();
      },
    };
  }

  #momentOf({ camera, stamp }: CameraFrame): Moment | null {
    const window = this.feed.window(camera);
    const { joints, instruction } = this.feed;
    return window && { stamp, window, cameras: this.feed.windows(), joints, instruction };
  }

  async #tell(moment: Moment, query: QueryPoints, forecast: Forecast): Promise<void> {
    const cameraInBase = this.#cameraInBase(forecast);
    const { stamp, cameras, joints, instruction } = moment;
    const result = { observation: { stamp, cameras, joints, instruction }, query, forecast, cameraInBase };
    this.#rememberForecast(result);
    await this.latencies.time('visualization', () => this.#publisher.forecast(moment.window.at(-1)!, query, forecast));
    this.#stages.planning?.sawForecast(result);
    this.#results.next(result);
  }

  #forecastFailed(stage: Stage, error: unknown, query: QueryPoints | null): void {
    this.refusals.add(stage, error);
    if (query && stage !== 'visualization') this.#publisher.queryAlone(query);
    this.#failures.next(error);
  }

  #connectPlanning(planning: PlanningStage): void {
    const { execution } = this.#stages;
    this.#subscriptions.push(
      planning.results.subscribe((planned) => {
        this.#chunkCount++;
        this.latencies.add('planning', planned.timings['total']!);
        this.#publisher.chunk(planned.chunk, this.feed.armJoints);
        this.#chunks.next(planned);
        if (this.#agrees(planned.chunk)) execution?.offer(planned.chunk);
      }),
      planning.failures.subscribe((error) => {
        this.refusals.add('planning', error);
        if (error instanceof PlannerError && WORKER_LOST.has(error.code)) execution?.stop(workerLost(error));
        this.#failures.next(error);
      }),
    );
    if (!execution) return;
    this.#subscriptions.push(
      execution.commands.subscribe((command) => {
        planning.sawCommand(command);
      }),
      execution.starts.subscribe(() => {
        planning.restart();
      }),
    );
  }

  /** A chunk that the gate refuses is not executed; everything else is. */
  #agrees(chunk: ActionChunk): boolean {
    try {
      this.#stages.agreement?.compare(chunk);
      return true;
    } catch (error) {
      this.refusals.add('planning', error);
      return false;
    }
  }

  /** A forecast that moves no rigid object gives nothing to compare with. */
  #rememberForecast({ forecast, observation: { joints }, cameraInBase }: ForecastResult): void {
    const { agreement } = this.#stages;
    if (!agreement || !joints || !cameraInBase) return;
    try {
      agreement.saw(forecast, joints.positions, cameraInBase);
    } catch (error) {
      this.refusals.add('planning', error);
    }
  }

  /** Null where nobody publishes it; whoever plans is told why. */
  #cameraInBase({ frameId, stamp }: Forecast): Transform | null {
    try {
      return this.feed.tf.lookup(this.#options.baseFrame, frameId, stamp);
    } catch (error) {
      if (this.#stages.planning) this.refusals.add('planning', error);
      return null;
    }
  }

  #tellDiagnostics(): void {
    const { execution } = this.#stages;
    this.#publisher.diagnostics(this.#bus.clock.now(), this.refusals.list, this.counts, execution?.status() ?? null);
  }

  #clear(): void {
    this.feed.clear();
    this.scheduler.clear();
    this.#stages.planning?.clear();
    this.#stages.agreement?.clear();
  }
}

export type NodeCount =
  'frames' | 'jointStates' | 'transforms' | 'windows' | 'incompleteWindows' | 'queries' | 'forecasts' | 'chunks';

/** Errors after which no plan will come soon. */
const WORKER_LOST: ReadonlySet<string> = new Set(['inference.died', 'inference.stopped', 'inference.memory']);

function workerLost({ message, remedy }: PlannerError): Fault {
  return { code: 'worker.lost', message, remedy, reaction: 'brake' };
}
