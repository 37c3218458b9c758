import { describe, expect, it } from '@jest/globals';
import { quat } from 'gl-matrix';
import { CameraModel } from '../../src/geometry/camera-model.js';
import { FRANKA_HAND_TCP, forwardKinematics, jacobian } from '../../src/geometry/franka-kinematics.js';
import { fitRigidMotion } from '../../src/geometry/rigid-fit.js';
import { TfBuffer } from '../../src/geometry/tf-buffer.js';
import { compose, interpolate, type Transform } from '../../src/geometry/transform.js';
import { PlannerError } from '../../src/core/errors.js';
import type { Pixel, Quaternion, Vector3 } from '../../src/core/vector.js';
import { describeShared, sharedJson } from '../golden/shared.js';
import { matrixRows } from './matrix-rows.js';

const flatten = (value: unknown): number[] => (Array.isArray(value) ? value.flatMap(flatten) : [value as number]);

function expectClose(actual: unknown, expected: unknown, tolerance: number): void {
  const a = flatten(actual);
  const e = flatten(expected);
  expect(a).toHaveLength(e.length);
  a.forEach((value, i) => {
    if (!(Math.abs(value - e[i]!) <= tolerance))
      throw new Error(`element ${i}: ${value} against ${e[i]!}, tolerance ${tolerance}`);
  });
}

const rotationRows = (rotation: Quaternion): number[][] =>
  matrixRows({ translation: [0, 0, 0], rotation })
    .slice(0, 3)
    .map((row) => row.slice(0, 3));
/** A transform holds a unit quaternion: whoever makes one from outside data normalises it, as TfBuffer does. */
const turned = (rotation: Quaternion): Transform => ({
  translation: [0, 0, 0],
  rotation: quat.normalize([0, 0, 0, 1], rotation),
});

describeShared('rigid fits of the reference', 'golden/geometry/rigid_fit.json', () => {
  const golden = sharedJson<any>('golden/geometry/rigid_fit.json');
  it.each(golden.cases.map((c: any) => [c.name, c]))('%s', (_name, c: any) => {
    const points = (list: unknown[][]): Vector3[] => list.map((p) => p.map((v) => Number(v))) as unknown as Vector3[];
    const fit = () => fitRigidMotion(points(c.source), points(c.target), c.weights);
    if (c.must_refuse) {
      expect(fit).toThrow(PlannerError);
      return;
    }
    const result = fit();
    expect(Math.abs(result.rmsM - c.weighted_rms_m)).toBeLessThan(golden.tolerance_translation_m);
    expect(result.unique).toBe(c.unique);
    if (!c.unique) return;
    expectClose(rotationRows(result.transform.rotation), c.rotation, golden.tolerance_rotation);
    // Kilometres from the origin a rotation error of 1e-6 moves the translation by millimetres; the fit itself is compared by residual.
    expectClose(result.transform.translation, c.translation, golden.tolerance_translation_m);
    expect(Math.abs(result.maxResidualM - c.max_residual_m)).toBeLessThan(golden.tolerance_translation_m);
  });
});

describeShared('interpolation and TF lookups of the reference', 'golden/geometry/interpolation.json', () => {
  const golden = sharedJson<any>('golden/geometry/interpolation.json');
  it.each(golden.slerp.map((c: any) => [c.name, c]))('slerp %s', (_name, c: any) => {
    for (const at of c.at) {
      const between = interpolate(turned(c.q0_xyzw as Quaternion), turned(c.q1_xyzw as Quaternion), at.fraction);
      expectClose(rotationRows(between.rotation), at.matrix, golden.tolerance);
    }
  });
  it('answers every lookup, and refuses those outside the samples or of unknown frames', () => {
    const buffer = new TfBuffer();
    for (const s of golden.tf.static) {
      buffer.set(
        {
          parent: s.parent,
          child: s.child,
          stamp: 0n,
          transform: { translation: s.translation, rotation: s.rotation_xyzw },
        },
        true,
      );
    }
    for (const d of golden.tf.dynamic) {
      for (const s of d.samples) {
        buffer.set(
          {
            parent: d.parent,
            child: d.child,
            stamp: BigInt(s.time_ns),
            transform: { translation: s.translation, rotation: s.rotation_xyzw },
          },
          false,
        );
      }
    }
    for (const l of golden.tf.lookups) {
      const look = () => buffer.lookup(l.target, l.source, BigInt(l.time_ns));
      if (l.must_fail) expect(look).toThrow(PlannerError);
      else expectClose(matrixRows(look()), l.matrix, golden.tolerance);
    }
    expect(golden.tf.lookups.length).toBeGreaterThan(10);
  });
});

describeShared('Franka kinematics of the reference', 'golden/geometry/franka_kinematics.json', () => {
  const golden = sharedJson<any>('golden/geometry/franka_kinematics.json');
  it.each(Object.keys(golden.arms))('%s: link origins, flange, hand and Jacobian', (arm) => {
    for (const pose of golden.arms[arm].poses) {
      const result = forwardKinematics(pose.q);
      expectClose(
        result.links.map((l) => l.translation),
        pose.link_origins,
        golden.tolerance_m,
      );
      expectClose(matrixRows(result.flange), pose.flange, golden.tolerance_m);
      expectClose(matrixRows(compose(result.flange, FRANKA_HAND_TCP)), pose.hand_tcp, golden.tolerance_m);
      expectClose(jacobian(result), pose.jacobian_flange, golden.tolerance_m);
    }
    expect(golden.arms[arm].poses.length).toBeGreaterThan(5);
  });
});

describeShared('camera models of OpenCV', 'golden/tracks/camera_models/expected.json', () => {
  const golden = sharedJson<any>('golden/tracks/camera_models/expected.json');
  it.each(Object.keys(golden.cameras))('%s projects, undistorts, and reports pixels without a ray', (name) => {
    const c = golden.cameras[name];
    const camera = new CameraModel(
      { width: c.width, height: c.height, fx: c.K[0], fy: c.K[4], cx: c.K[2], cy: c.K[5] },
      c.model,
      c.D,
    );
    for (const p of c.project) expectClose(camera.project(p.point as Vector3), p.pixel, golden.tolerance_pixel);
    for (const u of c.undistort)
      expectClose(camera.normalize(u.pixel as Pixel), u.normalized, golden.tolerance_normalized);
    for (const b of c.border) {
      const ray = camera.normalize(b.pixel as Pixel);
      if (b.converged) {
        const back = camera.project([ray![0], ray![1], 1])!;
        expect(Math.hypot(back[0] - b.pixel[0], back[1] - b.pixel[1])).toBeLessThan(1e-3);
      } else if (ray !== null) {
        // OpenCV found nothing; a number is only right if it reprojects.
        const back = camera.project([ray[0], ray[1], 1])!;
        expect(Math.hypot(back[0] - b.pixel[0], back[1] - b.pixel[1])).toBeLessThan(1e-3);
      }
    }
    for (const n of c.near_fold ?? []) {
      const ray = camera.normalize(n.pixel as Pixel);
      if (!n.has_preimage) expect(ray).toBeNull();
      else if (ray !== null) {
        const back = camera.project([ray[0], ray[1], 1])!;
        expect(Math.hypot(back[0] - n.pixel[0], back[1] - n.pixel[1])).toBeLessThan(1e-3);
        expect(Math.abs(Math.hypot(...ray) - n.radial_preimage)).toBeLessThan(0.05);
      } else if (n.fraction_of_maximum < 0.99)
        throw new Error(`${name}: no ray for a pixel at ${n.fraction_of_maximum} of the maximum`);
    }
  });
});

describe('a camera that cannot be one', () => {
  it('is refused with the value', () => {
    expect(() => new CameraModel({ width: 640, height: 480, fx: 0, fy: 500, cx: 320, cy: 240 })).toThrow('K[0] is 0');
    expect(() => new CameraModel({ width: 640, height: 480, fx: Number.NaN, fy: 500, cx: 320, cy: 240 })).toThrow(
      'cannot be a camera',
    );
  });
});
