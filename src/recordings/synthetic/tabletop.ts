import { vec3 } from 'gl-matrix';
import type { Intrinsics } from '../../core/camera.js';
import { seededRandom } from '../../core/random.js';
import type { Vector3 } from '../../core/vector.js';
import { opticalRotation } from '../../geometry/optical-frame.js';
import type { Transform } from '../../geometry/transform.js';
import { render, type Rendering, type Scene } from './ray-casting.js';

/** A synthetic tabletop over time: a red cube is lifted and carried towards a bowl, seen by a fixed and a moving RGB-D camera. */
export interface TabletopCamera {
  readonly name: string;
  readonly intrinsics: Intrinsics;
  /** Optical frame in the world. */
  readonly poseAt: (seconds: number) => Transform;
  readonly moves: boolean;
}

export const INSTRUCTION = 'Put the red cube in the blue bowl';
const CUBE_HALF_M = 0.03;

/** Where the cube's middle is, metres in the world: at rest, lifted along a smooth arc from 1 s on, then at rest again. */
export function cubeAt(seconds: number): Vector3 {
  const progress = Math.min(1, Math.max(0, (seconds - 1) / 3));
  const smooth = progress * progress * (3 - 2 * progress);
  return [0.42 + 0.1 * smooth, 0.16 - 0.34 * smooth, CUBE_HALF_M + 0.22 * Math.sin(Math.PI * smooth)];
}

export function sceneAt(seconds: number): Scene {
  return {
    boxes: [
      { centre: cubeAt(seconds), half: [CUBE_HALF_M, CUBE_HALF_M, CUBE_HALF_M], color: [205, 40, 38] },
      { centre: [0.55, 0.2, 0.025], half: [0.025, 0.025, 0.025], color: [60, 150, 70] },
    ],
    balls: [{ centre: [0.52, -0.18, -0.02], radius: 0.08, color: [45, 80, 190] }],
  };
}

export function tabletopCameras(width: number, height: number): readonly TabletopCamera[] {
  const intrinsics = (focal: number): Intrinsics => ({
    width,
    height,
    fx: focal * width,
    fy: focal * width,
    cx: (width - 1) / 2,
    cy: (height - 1) / 2,
  });
  const exo = lookAt([1.15, 0.45, 0.65], [0.45, 0, 0.06]);
  return [
    { name: 'exo_camera_1', intrinsics: intrinsics(0.85), poseAt: () => exo, moves: false },
    {
      name: 'wrist_camera',
      intrinsics: intrinsics(0.75),
      poseAt: (seconds) => {
        const [x, y, z] = cubeAt(seconds);
        return lookAt([x - 0.16, y, z + 0.34], [x, y, z]);
      },
      moves: true,
    },
  ];
}

/** Optical frame at `eye` whose z axis points at `target`, x to the right, y down, the world's z up. */
export function lookAt(eye: Vector3, target: Vector3): Transform {
  return { translation: eye, rotation: opticalRotation(vec3.subtract([0, 0, 0], target, eye), [0, 0, 1]) };
}

/** Millimetres with noise that grows with the distance, and holes at steps of the depth, as a depth camera gives. */
export function measuredDepth(rendering: Rendering, width: number, seed: number): Uint16Array {
  const random = seededRandom(seed);
  return Uint16Array.from(rendering.depth, (z, i) => {
    const right = rendering.depth[i + 1] ?? z;
    const below = rendering.depth[i + width] ?? z;
    const isEdge = Math.abs(right - z) > 0.02 * z || Math.abs(below - z) > 0.02 * z;
    if (z === 0 || (isEdge && random() < 0.7) || random() < 0.004) return 0;
    return Math.round((z + (random() + random() - 1) * 0.0015 * z * z) * 1000);
  });
}

export function renderTabletop(camera: TabletopCamera, seconds: number): Rendering {
  return render(sceneAt(seconds), camera.intrinsics, camera.poseAt(seconds));
}
