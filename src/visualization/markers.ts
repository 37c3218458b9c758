import type { ColorRGBA, Header, Marker, MarkerArray, Vector3Message } from '../bus/messages.js';
import type { Forecast } from '../core/forecast.js';
import type { QueryPoints } from '../core/query-points.js';
import { toTimeMessage } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { QUERY_COLOR, REFUSED_COLOR, timeColor, type Rgb } from './colors.js';

const SPHERE_LIST = 7;
const LINE_STRIP = 4;
const TEXT_VIEW_FACING = 9;
const ADD = 0;
const DELETE = 2;

const POINT_DIAMETER_M = 0.012;
const LINE_WIDTH_M = 0.004;
const TEXT_HEIGHT_M = 0.02;

/**
 * Markers for RViz and Foxglove. Every marker keeps its namespace and id from one forecast to the next, and only those that are no longer
 * wanted are deleted: deleting all of them each time makes RViz flicker.
 */
export class ForecastMarkers {
  #shown = new Set<string>();

  update(query: QueryPoints, forecast: Forecast | null): MarkerArray {
    const header: Header = { stamp: toTimeMessage(query.stamp), frame_id: query.frameId };
    const markers = [
      ...queryMarkers(header, query),
      ...(forecast
        ? forecast.positions.map((track, p) =>
            lineMarker(header, `forecast/${query.camera}`, p, [forecast.start[p]!, ...track]),
          )
        : []),
    ];
    const wanted = new Set(markers.map(keyOf));
    const surplus = [...this.#shown].filter((key) => !wanted.has(key));
    this.#shown = wanted;
    return { markers: [...markers, ...surplus.map((key) => deletion(header, key))] };
  }
}

function queryMarkers(header: Header, query: QueryPoints): Marker[] {
  const lifted = query.points.flatMap((point) => (point.position ? [point.position] : []));
  const centre = lifted.length === 0 ? null : centroidOf(lifted);
  const spheres = marker(header, 'query_points', 0, SPHERE_LIST, POINT_DIAMETER_M, QUERY_COLOR);
  const refused = query.points.filter((point) => point.position === null);
  return [
    { ...spheres, points: lifted.map(toPoint) },
    // A refused point has no place in 3-D: the reasons are listed above the object, or before the camera when there is none.
    ...refused.map((point, i): Marker => {
      const [x, y, z] = centre ?? [0, 0, 0.5];
      return {
        ...marker(header, 'refused', i, TEXT_VIEW_FACING, TEXT_HEIGHT_M, REFUSED_COLOR),
        pose: { position: { x, y: y - 0.06 - 0.025 * i, z }, orientation: { x: 0, y: 0, z: 0, w: 1 } },
        text: point.refused ?? 'refused',
      };
    }),
  ];
}

/** A path coloured from now to the end; steps without a position are left out. */
function lineMarker(header: Header, ns: string, id: number, track: readonly (Vector3 | null)[]): Marker {
  const seen = track.flatMap((p, f) => (p ? [[p, rgba(timeColor(f / Math.max(1, track.length - 1)))] as const] : []));
  return {
    ...marker(header, ns, id, LINE_STRIP, LINE_WIDTH_M, QUERY_COLOR),
    points: seen.map(([p]) => toPoint(p)),
    colors: seen.map(([, color]) => color),
  };
}

function marker(header: Header, ns: string, id: number, type: number, size: number, color: Rgb): Marker {
  return {
    header,
    ns,
    id,
    type,
    action: ADD,
    pose: { position: { x: 0, y: 0, z: 0 }, orientation: { x: 0, y: 0, z: 0, w: 1 } },
    scale: { x: size, y: size, z: size },
    color: rgba(color),
    lifetime: { sec: 0, nanosec: 0 },
    frame_locked: false,
    points: [],
    colors: [],
    texture_resource: '',
    texture: { header, format: '', data: new Uint8Array() },
    uv_coordinates: [],
    text: '',
    mesh_resource: '',
    mesh_file: { filename: '', data: new Uint8Array() },
    mesh_use_embedded_materials: false,
  };
}

function deletion(header: Header, key: string): Marker {
  const at = key.lastIndexOf('#');
  return {
    ...marker(header, key.slice(0, at), Number(key.slice(at + 1)), SPHERE_LIST, POINT_DIAMETER_M, QUERY_COLOR),
    action: DELETE,
  };
}

function keyOf({ ns, id }: Marker): string {
  return `${ns}#${id}`;
}

function rgba([r, g, b]: Rgb): ColorRGBA {
  return { r, g, b, a: 1 };
}

function toPoint([x, y, z]: Vector3): Vector3Message {
  return { x, y, z };
}

export function centroidOf(points: readonly Vector3[]): Vector3 {
  const sum = (axis: 0 | 1 | 2): number => points.reduce((total, p) => total + p[axis], 0) / points.length;
  return [sum(0), sum(1), sum(2)];
}
