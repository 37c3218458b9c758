import { describe, expect, it } from '@jest/globals';
import type { Forecast } from '../../src/core/forecast.js';
import type { QueryPoints } from '../../src/core/query-points.js';
import { ForecastMarkers } from '../../src/visualization/markers.js';
import { centroidPath, forecastMessage, pointCloud } from '../../src/visualization/messages.js';

const query = (count: number, refused: number): QueryPoints => ({
  camera: 'exo',
  frameId: 'exo_optical',
  stamp: 5n,
  points: [
    ...Array.from({ length: count }, (_, i) => ({ pixel: [i, i] as const, position: [i, 0, 1] as const })),
    ...Array.from({ length: refused }, () => ({ pixel: [9, 9] as const, position: null, refused: 'a hole' })),
  ],
  history: [],
  historyStamps: [],
  tracks: null,
});
const forecast = (count: number): Forecast => ({
  forecaster: 'x',
  camera: 'exo',
  frameId: 'exo_optical',
  stamp: 5n,
  stepS: 0.5,
  instruction: 'go',
  start: Array.from({ length: count }, (_, i) => [i, 0, 1] as const),
  positions: Array.from({ length: count }, (_, i) => [[i, 1, 1] as const, null, [i, 3, 1] as const]),
});

describe('forecast markers', () => {
  it('keep their names and numbers, colour every line from now to the end, and leave out unknown steps', () => {
    const markers = new ForecastMarkers();
    const first = markers.update(query(2, 1), forecast(2)).markers;
    const second = markers.update(query(2, 1), forecast(2)).markers;
    const keys = (list: typeof first): string[] => list.map(({ ns, id, action }) => `${ns} ${id} ${action}`);
    expect(keys(first)).toEqual(['query_points 0 0', 'refused 0 0', 'forecast/exo 0 0', 'forecast/exo 1 0']);
    expect(keys(second)).toEqual(keys(first));
    const line = first[2]!;
    expect(line.points.map((p) => p.y)).toEqual([0, 1, 3]);
    expect(line.colors).toHaveLength(line.points.length);
    expect(line.colors[0]).not.toEqual(line.colors[2]);
    expect(first[1]!.text).toBe('a hole');
    expect(first.every((m) => m.pose.orientation.w === 1 && m.header.frame_id === 'exo_optical')).toBe(true);
  });

  it('delete only what is no longer wanted', () => {
    const markers = new ForecastMarkers();
    markers.update(query(3, 0), forecast(3));
    const deleted = markers.update(query(2, 0), forecast(2)).markers.filter((m) => m.action !== 0);
    expect(deleted.map(({ ns, id, action }) => [ns, id, action])).toEqual([['forecast/exo', 2, 2]]);
    expect(markers.update(query(2, 0), forecast(2)).markers.every((m) => m.action === 0)).toBe(true);
  });
});

describe('messages of a forecast', () => {
  it('mark a missing point as not visible', () => {
    const message = forecastMessage(forecast(2));
    expect([message.point_count, message.step_count]).toEqual([2, 3]);
    expect(message.visible).toEqual([true, false, true, true, false, true]);
    expect(message.positions[2]).toEqual({ x: 0, y: 3, z: 1 });
  });
  it('give the centroid its own time at each step', () => {
    const { poses } = centroidPath(forecast(2));
    expect(poses.map((p) => [p.header.stamp.sec, p.header.stamp.nanosec, p.pose.position.y])).toEqual([
      [0, 5, 0],
      [0, 500_000_005, 1],
      [1, 500_000_005, 3],
    ]);
  });
  it('put only lifted points into the cloud', () => {
    const cloud = pointCloud(query(2, 1));
    expect([cloud.width, cloud.point_step, cloud.data.length]).toEqual([2, 12, 24]);
  });
});
