import { EMPTY, type Observable } from 'rxjs';
import type { Arm } from '../core/arm.js';
import { ConfigurationError } from '../core/errors.js';
import type { Command } from '../execution/executor.js';
import type { Fault } from '../execution/watchdogs.js';
import type { AgreementFigures, AgreementMonitor } from '../node/agreement-monitor.js';
import type { CameraTopics } from '../node/camera-topics.js';
import type { ExecutionFigures, ExecutionStage } from '../node/execution-stage.js';
import type { ForecastResult } from '../node/forecast-result.js';
import type { HeldObject } from '../node/held-object.js';
import type { LatencySummary } from '../node/latencies.js';
import type { NodeCount, PlannerNode } from '../node/planner-node.js';
import type { PlannedChunk, PlanningStage } from '../node/planning-stage.js';
import type { Refusal } from '../node/refusals.js';
import type { Finding } from '../sensing/sensor-watch.js';
import type { NodeConfig } from './config/node-config.js';
import type { OpenForecaster } from './model-source.js';
import type { OpenPlanner } from './planners.js';

/** What `assemble` has put together. */
export interface AssemblyParts {
  readonly config: NodeConfig;
  readonly arm: Arm;
  readonly cameras: readonly CameraTopics[];
  /** Null where there is no camera. */
  readonly forecastCamera: string | null;
  readonly forecaster: OpenForecaster;
  /** Seconds between history pictures and between future steps. */
  readonly stepS: number;
  readonly planner: OpenPlanner | null;
  readonly planning: PlanningStage | null;
  readonly execution: ExecutionStage | null;
  readonly agreement: AgreementMonitor | null;
  readonly held: HeldObject;
  readonly node: PlannerNode;
}

/** A running system: the handle that replay, the closed loop, the demo and the node hold. */
export class Assembly {
  /** Every forecast. */
  readonly results: Observable<ForecastResult>;
  /** Every chunk, executed or not. */
  readonly chunks: Observable<PlannedChunk>;
  /** Every command, sent or only shown. */
  readonly commands: Observable<Command>;
  /** Errors of single forecasts and chunks, as they happen. */
  readonly failures: Observable<unknown>;
  /** Stamps of observations that a plan could begin from. */
  readonly observed: Observable<bigint>;
  readonly #parts: AssemblyParts;
  readonly #onClose: (keep: boolean) => Promise<void>;
  readonly #held: () => Promise<void> | undefined;

  /** @param busyRecording a promise while the recording holds the producers back. @param onClose closes everything that was opened. */
  constructor(
    parts: AssemblyParts,
    busyRecording: () => Promise<void> | undefined,
    onClose: (keepRecording: boolean) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#onClose = onClose;
    this.#held = busyRecording;
    this.results = parts.node.results;
    this.chunks = parts.node.chunks;
    this.failures = parts.node.failures;
    this.commands = parts.execution?.commands ?? EMPTY;
    this.observed = parts.planning?.observed ?? EMPTY;
  }

  get config(): NodeConfig {
    return this.#parts.config;
  }
  get arm(): Arm {
    return this.#parts.arm;
  }
  get cameras(): readonly CameraTopics[] {
    return this.#parts.cameras;
  }
  get forecastCamera(): string | null {
    return this.#parts.forecastCamera;
  }
  get forecaster(): OpenForecaster {
    return this.#parts.forecaster;
  }
  get planner(): OpenPlanner | null {
    return this.#parts.planner;
  }
  /** Seconds between history pictures and between future steps. */
  get stepS(): number {
    return this.#parts.stepS;
  }
  /** The task as it stands now; empty when none has come. */
  get instruction(): string {
    return this.#parts.node.feed.instruction;
  }
  /** Everything that could not be used, counted by stage and code. */
  get refusals(): readonly Refusal[] {
    return this.#parts.node.refusals.list;
  }
  /** What was noticed about the streams as a whole. */
  get findings(): readonly Finding[] {
    return this.#parts.node.feed.findings;
  }
  get counts(): Readonly<Record<NodeCount, number>> {
    return this.#parts.node.counts;
  }
  get latencies(): Readonly<Record<string, LatencySummary>> {
    return this.#parts.node.latencies.summary();
  }
  /** Null where nobody plans. */
  get execution(): ExecutionFigures | null {
    return this.#parts.execution?.figures() ?? null;
  }
  /** Null where nothing was compared. */
  get agreement(): AgreementFigures | null {
    return this.#parts.agreement?.figures() ?? null;
  }
  /** As far as the robot knows. */
  get isHolding(): boolean {
    return this.#parts.held.since !== null;
  }
  /** The task is done, as far as the planner knows; null where it cannot know. */
  get isDone(): boolean | null {
    const { planner, planning } = this.#parts;
    return planner && planning && !planner.looksItself ? planning.isDone : null;
  }

  /** For the operator. Null where nobody plans. */
  get status(): ReturnType<ExecutionStage['status']> | null {
    return this.#parts.execution?.status() ?? null;
  }

  /** Lets the arm move. @throws InputError `executor.*`, `limiter.*` where it is not safe; ConfigurationError `start.planner` where nobody plans. */
  start(): void {
    const { execution } = this.#parts;
    if (execution) execution.start();
    else
      throw new ConfigurationError({
        code: 'start.planner',
        message: 'nobody plans here, so nothing can be started',
        remedy: 'configure planning.planner',
      });
  }

  stop(fault: Fault): void {
    this.#parts.execution?.stop(fault);
  }

  /**
   * Changes a setting that is marked live.
   * @throws ConfigurationError `config.live` for one that is not, and where the arm moves and it may not change then.
   */
  change(...[path, value]: LiveChange): void {
    const { node, execution, agreement } = this.#parts;
    switch (path) {
      case 'instruction.text':
        node.feed.setInstruction(value);
        return;
      case 'forecasting.period_s':
        node.scheduler.periodS = value;
        return;
      case 'execution.gate_m':
        if (agreement) agreement.gateM = value;
        return;
      case 'execution.dry_run': {
        if (execution?.phase === 'active' || execution?.phase === 'stopping')
          throw new ConfigurationError({
            code: 'config.live',
            message: `execution.dry_run cannot change now: the arm is ${execution.phase}`,
            remedy: 'stop the arm first',
          });
        execution?.setDryRun(value);
      }
    }
  }

  /** A promise while the stages or the recording are busy. */
  settle(): Promise<void> | undefined {
    const busy = [this.#parts.node.settle(), this.#held()].filter((work) => work !== undefined);
    return busy.length === 0 ? undefined : Promise.all(busy).then(() => undefined);
  }

  /** At the end of a stream: uses what was still waiting for a partner. */
  flush(): Promise<void> {
    return this.#parts.node.flush();
  }

  /** @param keepRecording whether the file of the recording stays. Rejects with OutputError where it cannot be finished. */
  close({ keepRecording }: { readonly keepRecording: boolean }): Promise<void> {
    return this.#onClose(keepRecording);
  }
}

/** Settings that may change while the system runs. */
export type LiveChange =
  | readonly [path: 'instruction.text', value: string]
  | readonly [path: 'forecasting.period_s', value: number]
  | readonly [path: 'execution.gate_m', value: number | null]
  | readonly [path: 'execution.dry_run', value: boolean];
