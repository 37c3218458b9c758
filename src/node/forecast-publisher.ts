import { DEFAULT_QOS, LATCHED_QOS, type Bus, type Publisher } from '../bus/bus.js';
import type {
  CompressedImage,
  DiagnosticArray,
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
import { toTimeMessage } from '../core/time.js';
import { ForecastMarkers } from '../visualization/markers.js';
import {
  centroidPath,
  chunkMessage,
  forecastMessage,
  pointCloud,
  queryPointsMessage,
} from '../visualization/messages.js';
import { overlayPng } from '../visualization/overlay.js';
import { diagnosticArray } from './diagnostics.js';
import { OUTPUT_TYPES, type NodeTopics } from './topics.js';

/** Shows query points, forecasts and chunks on the bus. The two small ones are latched for whoever comes later; pictures that nobody looks at are not made. */
export class ForecastPublisher {
  readonly #queryPoints: Publisher<QueryPointsMessage>;
  readonly #forecast: Publisher<PointForecastMessage>;
  readonly #markers: Publisher<MarkerArray>;
  readonly #path: Publisher<PathMessage>;
  readonly #points: Publisher<PointCloud2>;
  readonly #chunk: Publisher<JointTrajectory>;
  readonly #overlay: Publisher<CompressedImage> | null;
  readonly #diagnostics: Publisher<DiagnosticArray>;
  readonly #shown = new ForecastMarkers();

  constructor(bus: Bus, topics: NodeTopics, showsOverlay: boolean) {
    this.#queryPoints = bus.advertise(topics.query_points, OUTPUT_TYPES.query_points, LATCHED_QOS);
    this.#forecast = bus.advertise(topics.forecast, OUTPUT_TYPES.forecast, LATCHED_QOS);
    this.#markers = bus.advertise(topics.markers, OUTPUT_TYPES.markers, DEFAULT_QOS);
    this.#path = bus.advertise(topics.forecast_path, OUTPUT_TYPES.forecast_path, DEFAULT_QOS);
    this.#points = bus.advertise(topics.points, OUTPUT_TYPES.points, DEFAULT_QOS);
    this.#chunk = bus.advertise(topics.chunk, OUTPUT_TYPES.chunk, DEFAULT_QOS);
    this.#overlay = showsOverlay ? bus.advertise(topics.overlay, OUTPUT_TYPES.overlay, DEFAULT_QOS) : null;
    this.#diagnostics = bus.advertise(topics.diagnostics, OUTPUT_TYPES.diagnostics, DEFAULT_QOS);
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
    if (!this.#overlay || this.#overlay.subscriberCount === 0) return;
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

  diagnostics(...state: Parameters<typeof diagnosticArray>): void {
    publishIfHeard(this.#diagnostics, () => diagnosticArray(...state));
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
      publisher?.close();
  }
}

function publishIfHeard<M extends MessageTypes[keyof MessageTypes]>(publisher: Publisher<M>, make: () => M): void {
  if (publisher.subscriberCount > 0) publisher.publish(make());
}
