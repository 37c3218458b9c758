import type { QueueOptions } from '../execution/chunk-queue.js';
import type { ChunkFigures, ErrorSummary } from '../evaluation/chunk-comparison.js';
import type { Metrics } from '../evaluation/metrics.js';
import type { AgreementFigures } from '../node/agreement-monitor.js';
import type { LatencySummary } from '../node/latencies.js';
import type { Refusal } from '../node/refusals.js';
import type { Recording, RecordingProblem } from '../recordings/recording.js';

/** What came of a replay; `report.json` is this. */
export interface ReplayReport {
  readonly recording: string;
  readonly kind: Recording['kind'];
  readonly instruction: string | null;
  readonly forecaster: string;
  readonly planner: string;
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
  /** Planned chunks against the recorded actions; null where nobody plans, or where the recording has no actions. */
  readonly policy: ChunkFigures | null;
  /** How far chunks lead the gripper from where forecasts have the object; null where there was nothing to compare. */
  readonly agreement: AgreementFigures | null;
  /** Null where nothing was executed. */
  readonly execution: ExecutionReport | null;
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
