import type { Vector3 } from '../core/vector.js';
import type { Transform } from '../geometry/transform.js';

/** A tabletop as it is before the robot moves. Metres and radians in the arm's base frame; the top of the table is at z = 0. */
export interface Scene {
  readonly seed: number;
  readonly objects: readonly SceneObject[];
  readonly receptacles: readonly SceneReceptacle[];
  readonly tableColor: Vector3;
  readonly startJoints: readonly number[];
  /** `direction` is a unit vector towards the light; `ambient` the share of light that comes from everywhere. */
  readonly light: { readonly direction: Vector3; readonly ambient: number };
  readonly cameras: readonly SceneCamera[];
  readonly task: Task;
}

/** What the robot is to do. */
export interface Task {
  readonly instruction: string;
  /** Name of the object to be moved, and of the receptacle that it is to be put into. */
  readonly object: string;
  readonly receptacle: string;
}

export interface SceneObject {
  /** Its name in MuJoCo, such as `object_0`. */
  readonly name: string;
  /** What an instruction calls it, such as `red cube`. */
  readonly label: string;
  readonly geometry: 'box' | 'cylinder' | 'sphere';
  /** Half of its width, depth and height. */
  readonly halfSize: Vector3;
  readonly massKg: number;
  readonly color: Vector3;
  readonly position: Vector3;
  /** Rotation about the vertical. */
  readonly yaw: number;
}

/** A container that stands fast: a floor with walls around it. */
export interface SceneReceptacle {
  readonly name: string;
  readonly label: string;
  /** Number of walls. */
  readonly walls: number;
  /** From its centre to the outside of a wall. */
  readonly radius: number;
  readonly height: number;
  readonly color: Vector3;
  readonly position: Vector3;
  /** Rotation about the vertical. */
  readonly yaw: number;
}

export interface SceneCamera {
  readonly name: string;
  readonly mount: 'base' | 'hand';
  /** Pose of the optical frame in its mount. */
  readonly pose: Transform;
  readonly verticalFovDeg: number;
  readonly width: number;
  readonly height: number;
}

/** Thickness of the walls and the floor of a receptacle. */
export const WALL_M = 0.006;
