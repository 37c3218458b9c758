import type {
  Header,
  JointTrajectory,
  PathMessage,
  PointCloud2,
  PointForecastMessage,
  QueryPointsMessage,
  Vector3Message,
} from '../bus/messages.js';
import type { ActionChunk } from '../core/action-chunk.js';
import type { Forecast } from '../core/forecast.js';
import { liftedPoints, type QueryPoints } from '../core/query-points.js';
import { fromSeconds, toTimeMessage } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { centroidOf } from './markers.js';

const FLOAT32 = 7;

const toPoint = ([x, y, z]: Vector3): Vector3Message => ({ x, y, z });
const NOWHERE: Vector3Message = { x: 0, y: 0, z: 0 };

/** msg/QueryPoints.msg */
export function queryPointsMessage(query: QueryPoints): QueryPointsMessage {
  return {
    header: headerOf(query),
    camera: query.camera,
    pixels: query.points.map(({ pixel }) => ({ x: pixel[0], y: pixel[1], z: 0 })),
    points: query.points.map(({ position }) => (position ? toPoint(position) : NOWHERE)),
    lifted: query.points.map(({ position }) => position !== null),
    refusals: query.points.map(({ refused }) => refused ?? ''),
  };
}

/** msg/PointForecast.msg */
export function forecastMessage(forecast: Forecast): PointForecastMessage {
  const flat = forecast.positions.flat();
  return {
    header: headerOf(forecast),
    camera: forecast.camera,
    forecaster: forecast.forecaster,
    instruction: forecast.instruction,
    step_s: forecast.stepS,
    point_count: forecast.positions.length,
    step_count: forecast.positions[0]?.length ?? 0,
    start: forecast.start.map(toPoint),
    positions: flat.map((p) => (p ? toPoint(p) : NOWHERE)),
    visible: flat.map((p) => p !== null),
    raw_text: forecast.rawText ?? '',
  };
}

/** The centroid of the points that are known at each step, from now on; steps without any are left out. */
export function centroidPath(forecast: Forecast): PathMessage {
  const header = headerOf(forecast);
  const steps = forecast.positions[0]?.length ?? 0;
  const rows = [
    forecast.start,
    ...Array.from({ length: steps }, (_, f) => forecast.positions.flatMap((track) => (track[f] ? [track[f]] : []))),
  ];
  return {
    header,
    poses: rows.flatMap((row, f) => {
      if (row.length === 0) return [];
      const stamp = toTimeMessage(forecast.stamp + fromSeconds(f * forecast.stepS));
      return [
        {
          header: { ...header, stamp },
          pose: { position: toPoint(centroidOf(row)), orientation: { x: 0, y: 0, z: 0, w: 1 } },
        },
      ];
    }),
  };
}

/**
 * A chunk as trajectory_msgs/JointTrajectory, for display: it is no command, and no controller should listen to it.
 * @param joints names of the arm's joints; the gripper's command, in the policy's own units, follows them as `gripper`.
 */
export function chunkMessage(chunk: ActionChunk, joints: readonly string[]): JointTrajectory {
  return {
    header: { stamp: toTimeMessage(chunk.stamp), frame_id: '' },
    joint_names: [...joints, 'gripper'],
    points: chunk.steps.map((step, k) => ({
      positions: [...step],
      velocities: [],
      accelerations: [],
      effort: [],
      time_from_start: toTimeMessage(fromSeconds((k + 1) * chunk.stepS)),
    })),
  };
}

/** x, y, z in float32 of the points that could be lifted. */
export function pointCloud(query: QueryPoints): PointCloud2 {
  const points = liftedPoints(query).map(({ position }) => position);
  const data = Float32Array.from(points.flat());
  return {
    header: headerOf(query),
    height: 1,
    width: points.length,
    fields: ['x', 'y', 'z'].map((name, i) => ({ name, offset: 4 * i, datatype: FLOAT32, count: 1 })),
    is_bigendian: false,
    point_step: 12,
    row_step: 12 * points.length,
    data: new Uint8Array(data.buffer),
    is_dense: true,
  };
}

function headerOf({ stamp, frameId }: { readonly stamp: bigint; readonly frameId: string }): Header {
  return { stamp: toTimeMessage(stamp), frame_id: frameId };
}
