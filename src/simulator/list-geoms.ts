import type { MjModel } from '@mujoco/mujoco';
import { threeOf } from './three-of.js';
import type { VisibleGeom } from './visible-geom.js';

/** The arrays of MuJoCo's model that are read here. */
interface ModelArrays {
  readonly geom_type: Int32Array;
  readonly geom_size: Float64Array;
  readonly geom_rgba: Float32Array;
  readonly geom_bodyid: Int32Array;
  readonly body_weldid: Int32Array;
}

export type GeomShape = Omit<VisibleGeom, 'position' | 'rotation'>;

/** MuJoCo's numbers of the shapes that scenes are made of (mjtGeom). */
const SHAPES: Readonly<Record<number, VisibleGeom['shape']>> = { 2: 'sphere', 3: 'capsule', 5: 'cylinder', 6: 'box' };

/** The geoms of a model, in MuJoCo's order, without where they are. */
export function listGeoms(model: MjModel): GeomShape[] {
  const arrays: ModelArrays = model;
  return Array.from({ length: model.ngeom }, (_, id) => ({
    name: nameOfGeom(model, id),
    shape: SHAPES[arrays.geom_type[id]!]!,
    size: threeOf(arrays.geom_size, 3 * id),
    color: threeOf(arrays.geom_rgba, 4 * id),
    isFixed: arrays.body_weldid[arrays.geom_bodyid[id]!] === 0,
  }));
}

function nameOfGeom(model: MjModel, id: number): string {
  const geom = model.geom(id);
  const { name } = geom;
  geom.delete();
  return name;
}
