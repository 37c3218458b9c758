import { DEFAULT_QOS, LATCHED_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type {
  CompressedImage,
  DiagnosticArray,
  DiagnosticStatus,
  JointTrajectory,
  MarkerArray,
  MessageTypes,
  PathMessage,
  PointCloud2,
  PointForecastMessage,
  QueryPointsMessage,
} from '../bus/messages.js';
import type { ActionChunk } from '../core/action-chunk.js';
import type { Forecast } from '../core/forecast.js';
import type { CameraFrame } from '../core/observation.js';
import type { QueryPoints } from '../core/query-points.js';
import { toTimeMessage, type Nanoseconds } from '../core/time.js';
import { ForecastMarkers } from '../visualization/markers.js';
import {
  centroidPath,
  chunkMessage,
  forecastMessage,
  pointCloud,
  queryPointsMessage,
} from '../visualization/messages.js';
import { overlayPng } from '../visualization/overlay.js';
import type { ExecutionStage } from './execution-stage.js';
import { OUTPUT_TOPICS } from './planner-options.js';
import type { Refusal } from './refusals.js';

const DIAGNOSTIC_OK = 0;
const DIAGNOSTIC_WARN = 1;
const DIAGNOSTIC_ERROR = 2;

/** Shows query points, forecasts and chunks on the bus. The two small ones are latched for whoever comes later; pictures that nobody looks at are not made. */
export class ForecastPublisher {
  readonly #queryPoints: Publisher<QueryPointsMessage>;
  readonly #forecast: Publisher<PointForecastMessage>;
  readonly #markers: Publisher<MarkerArray>;
  readonly #path: Publisher<PathMessage>;
  readonly #points: Publisher<PointCloud2>;
  readonly #chunk: Publisher<JointTrajectory>;
  readonly #overlay: Publisher<CompressedImage>;
  readonly #diagnostics: Publisher<DiagnosticArray>;
  readonly #shown = new ForecastMarkers();

  constructor(bus: Bus) {
    this.#queryPoints = bus.advertise(OUTPUT_TOPICS.queryPoints, 'molmo_motion_planner/msg/QueryPoints', LATCHED_QOS);
    this.#forecast = bus.advertise(OUTPUT_TOPICS.forecast, 'molmo_motion_planner/msg/PointForecast', LATCHED_QOS);
    this.#markers = bus.advertise(OUTPUT_TOPICS.markers, 'visualization_msgs/msg/MarkerArray', DEFAULT_QOS);
    this.#path = bus.advertise(OUTPUT_TOPICS.path, 'nav_msgs/msg/Path', DEFAULT_QOS);
    this.#points = bus.advertise(OUTPUT_TOPICS.points, 'sensor_msgs/msg/PointCloud2', DEFAULT_QOS);
    this.#chunk = bus.advertise(OUTPUT_TOPICS.chunk, 'trajectory_msgs/msg/JointTrajectory', DEFAULT_QOS);
    this.#overlay = bus.advertise(OUTPUT_TOPICS.overlay, 'sensor_msgs/msg/CompressedImage', DEFAULT_QOS);
    this.#diagnostics = bus.advertise(OUTPUT_TOPICS.diagnostics, 'diagnostic_msgs/msg/DiagnosticArray', DEFAULT_QOS);
  }

  query(query: QueryPoints): void {
    this.#queryPoints.publish(queryPointsMessage(query));
    publishIfHeard(this.#points, () => pointCloud(query));
  }

  /** No forecast followed: the points and their refusals are shown, and the lines of the forecast before are taken away. */
  queryAlone(query: QueryPoints): void {
    publishIfHeard(this.#markers, () => this.#shown.update(query, null));
  }

  async forecast(frame: CameraFrame, query: QueryPoints, forecast: Forecast): Promise<void> {
    this.#forecast.publish(forecastMessage(forecast));
    publishIfHeard(this.#path, () => centroidPath(forecast));
    publishIfHeard(this.#markers, () => this.#shown.update(query, forecast));
    if (this.#overlay.subscriberCount === 0) return;
    const png = await overlayPng({
      image: await frame.color(),
      camera: frame.model,
      query,
      forecast,
      caption: forecast.instruction,
    });
    this.#overlay.publish({
      header: { stamp: toTimeMessage(frame.stamp), frame_id: frame.frameId },
      format: 'png',
      data: png,
    });
  }

  chunk(chunk: ActionChunk, joints: readonly string[]): void {
    publishIfHeard(this.#chunk, () => chunkMessage(chunk, joints));
  }

  diagnostics(
    now: Nanoseconds,
    refusals: readonly Refusal[],
    counts: Readonly<Record<string, number>>,
    execution: ReturnType<ExecutionStage['status']> | null,
  ): void {
    publishIfHeard(this.#diagnostics, () => ({
      header: { stamp: toTimeMessage(now), frame_id: '' },
      status: [
        {
          level: refusals.length === 0 ? DIAGNOSTIC_OK : DIAGNOSTIC_WARN,
          name: 'molmo_motion_planner',
          message:
            refusals.length === 0
              ? 'all inputs are usable'
              : refusals.map((r) => `${r.message} (${r.count} times)`).join('; '),
          hardware_id: '',
          values: [
            ...Object.entries(counts).map(([key, value]) => ({ key, value: String(value) })),
            ...refusals.map((r) => ({ key: `${r.stage}.${r.code}`, value: String(r.count) })),
          ],
        },
        ...(execution ? [executionStatus(execution)] : []),
      ],
    }));
  }

  close(): void {
    for (const publisher of [
      this.#queryPoints,
      this.#forecast,
      this.#markers,
      this.#path,
      this.#points,
      this.#chunk,
      this.#overlay,
      this.#diagnostics,
    ])
      publisher.close();
  }
}

function executionStatus({ phase, dryRun, lastStop }: ReturnType<ExecutionStage['status']>): DiagnosticStatus {
  const isStopped = phase === 'stopping' || phase === 'stopped';
  return {
    level: isStopped ? DIAGNOSTIC_ERROR : DIAGNOSTIC_OK,
    name: 'molmo_motion_planner: execution',
    message: isStopped && lastStop ? `${phase}: ${lastStop.message}. ${lastStop.remedy}` : phase,
    hardware_id: '',
    values: [
      { key: 'phase', value: phase },
      { key: 'dry_run', value: String(dryRun) },
      { key: 'last_stop', value: lastStop?.code ?? '' },
    ],
  };
}

function publishIfHeard<M extends MessageTypes[keyof MessageTypes]>(publisher: Publisher<M>, make: () => M): void {
  if (publisher.subscriberCount > 0) publisher.publish(make());
}
