import { describe, expect, it } from '@jest/globals';
import { vec3 } from 'gl-matrix';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { seededRandom } from '../../src/core/random.js';
import { loadArm } from '../../src/files/arm-file.js';
import { forwardKinematics } from '../../src/geometry/franka-kinematics.js';
import { invert, transformPoint } from '../../src/geometry/transform.js';
import { RGBD_NOISE, withNoise } from '../../src/simulator/depth-noise.js';
import { expertCommands, PHASES } from '../../src/simulator/expert.js';
import { Renderer } from '../../src/simulator/renderer.js';
import { drawScene } from '../../src/simulator/draw-scene.js';
import type { Scene } from '../../src/simulator/scene.js';
import { loadSceneConfig } from '../../src/simulator/scene-config.js';
import { Simulation } from '../../src/simulator/simulation.js';
import { judge } from '../../src/simulator/success.js';

const PERIOD_S = 1 / 15;
const arm = await loadArm('fr3');
const config = await loadSceneConfig();

async function within<T>(scene: Scene, look: (simulation: Simulation) => T): Promise<T> {
  const simulation = await Simulation.create(arm, scene);
  try {
    return look(simulation);
  } finally {
    simulation.close();
  }
}

describe('scenes', () => {
  it('are the same for the same seed, and stand free of each other', () => {
    for (let seed = 0; seed < 200; seed++) {
      const scene = drawScene(config, seed);
      if (seed < 5) expect(drawScene(config, seed)).toEqual(scene);
      const { objects, receptacles, task } = scene;
      expect(objects.length).toBeGreaterThanOrEqual(3);
      expect(receptacles.length).toBeGreaterThanOrEqual(2);
      expect(new Set(objects.map(({ label }) => label.split(' ')[0])).size).toBe(objects.length);
      const object = objects.find(({ name }) => name === task.object)!;
      expect(task.instruction).toContain(object.label);
      expect(task.instruction).toContain(receptacles.find(({ name }) => name === task.receptacle)!.label);
      const things = [
        ...objects.map((o) => ({ p: o.position, r: Math.min(o.halfSize[0], o.halfSize[1]) })),
        ...receptacles.map((r) => ({ p: r.position, r: r.radius })),
      ];
      things.forEach((a, i) => {
        things.slice(i + 1).forEach((b) => {
          expect(Math.hypot(a.p[0] - b.p[0], a.p[1] - b.p[1])).toBeGreaterThan(a.r + b.r);
        });
      });
    }
  });
  it('that cannot be are refused by name', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'scenes-'));
    try {
      const file = path.join(folder, 'scene.yaml');
      await writeFile(file, JSON.stringify({ ...config, table: { ...config.table, x: [0.5, 0.4] } }));
      await expect(loadSceneConfig(file)).rejects.toMatchObject({
        code: 'scene.format',
        message: expect.stringMatching(/table\.x/),
      });
      await writeFile(file, JSON.stringify({ ...config, gravity: 3 }));
      await expect(loadSceneConfig(file)).rejects.toMatchObject({ message: expect.stringMatching(/gravity/) });
      const blind = {
        ...config.cameras,
        wrist_camera: { ...(config.cameras['wrist_camera'] as object), up: [-0.36, 0, 2] },
      };
      await writeFile(file, JSON.stringify({ ...config, cameras: blind }));
      await expect(loadSceneConfig(file)).rejects.toMatchObject({
        message: expect.stringMatching(/two directions.*wrist_camera/),
      });
      await writeFile(file, JSON.stringify({ ...config, cameras: { size: [320, 180] } }));
      await expect(loadSceneConfig(file)).rejects.toMatchObject({
        message: expect.stringMatching(/must be at least one camera/),
      });
      await writeFile(file, JSON.stringify({ ...config, light: { ...config.light, ambient: [0.5, 1.5] } }));
      await expect(loadSceneConfig(file)).rejects.toMatchObject({
        message: expect.stringMatching(/shares lie between 0 and 1.*light\.ambient/),
      });
      await expect(loadSceneConfig(path.join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'scene.format' });
    } finally {
      await rm(folder, { recursive: true });
    }
    expect(() => drawScene({ ...config, table: { ...config.table, x: [0.5, 0.52], y: [0, 0.02] } }, 1)).toThrow(
      /no room was found/,
    );
  });
});

describe('the simulated arm', () => {
  it('stands where the kinematics have it', async () => {
    const random = seededRandom(3);
    for (let i = 0; i < 5; i++) {
      const startJoints = arm.joints.map(({ lower, upper }) => lower + (upper - lower) * (0.2 + 0.6 * random()));
      await within({ ...drawScene(config, i), startJoints }, (simulation) => {
        const { flange } = forwardKinematics(startJoints);
        simulation.poseOf('hand').translation.forEach((x, axis) => {
          expect(x).toBeCloseTo(flange.translation[axis]!, 9);
        });
      });
    }
  });
  it('holds still, and so does everything on the table', async () => {
    const scene = drawScene(config, 3);
    await within(scene, (simulation) => {
      for (let i = 0; i < 15; i++) {
        simulation.moveArm(scene.startJoints, PERIOD_S);
        simulation.moveGripper(0.08);
        simulation.advance(PERIOD_S);
      }
      simulation.joints.positions.forEach((q, j) => {
        expect(Math.abs(q - scene.startJoints[j]!)).toBeLessThan(1e-3);
      });
      for (const { name, position } of scene.objects) {
        expect(simulation.speedOf(name)).toBeLessThan(0.01);
        simulation.poseOf(name).translation.forEach((x, axis) => {
          expect(Math.abs(x - position[axis]!)).toBeLessThan(0.003);
        });
      }
      expect(simulation.timeS).toBeCloseTo(1, 1);
    });
  });
  it('does not do what its torques do not allow', async () => {
    const scene = drawScene(config, 3);
    await within(scene, (simulation) => {
      const before = simulation.joints.positions[0]!;
      simulation.moveArm(
        scene.startJoints.map((q, j) => (j === 0 ? q + 2 : q)),
        PERIOD_S,
      );
      simulation.moveGripper(0.08);
      simulation.advance(PERIOD_S);
      expect(simulation.joints.positions[0]! - before).toBeLessThan(0.5);
    });
  });
});

describe('pictures', () => {
  it('have the distances that MuJoCo measures, and show what is there', async () => {
    const random = seededRandom(9);
    for (const seed of [3, 8, 21]) {
      const scene = drawScene(config, seed);
      await within(scene, (simulation) => {
        const views = scene.cameras.map((camera) => simulation.view(camera));
        const geoms = simulation.geoms();
        const pictures = new Renderer().render(geoms, views, scene.light);
        pictures.forEach(({ depth, segmentation }, k) => {
          const { pose, focal, center, width, height } = views[k]!;
          let wrong = 0;
          const count = 1500;
          for (let i = 0; i < count; i++) {
            const u = Math.floor(width * random());
            const v = Math.floor(height * random());
            const [a, b] = [(u - center[0]) / focal, (v - center[1]) / focal];
            const length = Math.hypot(a, b, 1);
            const direction = vec3.transformQuat([0, 0, 0], [a / length, b / length, 1 / length], pose.rotation);
            const hit = simulation.castRay(pose.translation, direction);
            const z = depth.data[v * width + u]!;
            const id = segmentation[v * width + u]!;
            if (!hit) {
              if (!Number.isNaN(z) || id !== -1) wrong++;
            } else if (!(Math.abs(hit.distance / length - z) < 1e-3)) wrong++;
          }
          // A ray along an edge may see either side of it.
          expect(wrong).toBeLessThanOrEqual(2);
        });
        // The wrist camera looks at the table.
        const names = new Set([...pictures[1]!.segmentation].map((id) => geoms[id]?.name));
        expect(names.has('table')).toBe(true);
      });
    }
  });
  it('show an object where its centre is projected', async () => {
    const scene = drawScene(config, 5);
    await within(scene, (simulation) => {
      const view = simulation.view(scene.cameras[0]!);
      const geoms = simulation.geoms();
      const [picture] = new Renderer().render(geoms, [view], scene.light);
      const intoCamera = invert(view.pose);
      let seen = 0;
      for (const { name } of scene.objects) {
        const [x, y, z] = transformPoint(intoCamera, simulation.poseOf(name).translation);
        const u = Math.round(view.center[0] + (view.focal * x) / z);
        const v = Math.round(view.center[1] + (view.focal * y) / z);
        if (u < 0 || v < 0 || u >= view.width || v >= view.height) continue;
        const id = picture!.segmentation[v * view.width + u]!;
        if (geoms[id]?.name === name) seen++;
      }
      expect(seen).toBeGreaterThanOrEqual(2);
    });
  });
  it('are the same whether what cannot move is cast and coloured anew, or was kept', async () => {
    const scene = drawScene(config, 6);
    await within(scene, (simulation) => {
      const keeping = new Renderer();
      for (let tick = 0; tick < 4; tick++) {
        simulation.moveArm(
          scene.startJoints.map((q, j) => q + (j === 0 ? 0.1 : -0.05) * (tick + 1)),
          PERIOD_S,
        );
        simulation.advance(PERIOD_S);
        const views = scene.cameras.map((camera) => simulation.view(camera));
        const kept = keeping.render(simulation.geoms(), views, scene.light);
        const anew = new Renderer().render(simulation.geoms(), views, scene.light);
        kept.forEach(({ color, depth, segmentation }, k) => {
          expect(Buffer.compare(color.data, anew[k]!.color.data)).toBe(0);
          expect(depth).toEqual(anew[k]!.depth);
          expect(segmentation).toEqual(anew[k]!.segmentation);
        });
      }
    });
  });
  it('lose depth at edges, and measure it nearly right elsewhere', () => {
    const [width, height] = [64, 48];
    const data = Float32Array.from({ length: width * height }, (_, i) => (i % width < 32 ? 0.8 : 1.2));
    const noisy = withNoise({ width, height, data }, RGBD_NOISE, 7);
    expect(withNoise({ width, height, data }, RGBD_NOISE, 7)).toEqual(noisy);
    const errors: number[] = [];
    let [edges, lost] = [0, 0];
    noisy.data.forEach((z, i) => {
      const isEdge = i % width === 31 || i % width === 32;
      if (isEdge) edges++;
      if (Number.isNaN(z)) lost += isEdge ? 1 : 0;
      else errors.push((z - data[i]!) / data[i]! ** 2);
    });
    expect(lost / edges).toBeGreaterThan(0.3);
    const sigma = Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length);
    expect(sigma).toBeGreaterThan(0.002);
    expect(sigma).toBeLessThan(0.0032);
  });
});

describe('the scripted expert', () => {
  it('puts the object where the task says, within the limits of the arm, and always the same way', async () => {
    const ends: string[] = [];
    for (const seed of [0, 1, 2, 7, 7]) {
      await within(drawScene(config, seed), (simulation) => {
        const phases = new Set<string>();
        let before = simulation.joints.positions;
        for (const { phase, positions, gripperWidthM } of expertCommands(arm, simulation, PERIOD_S, seed)) {
          phases.add(phase);
          positions.forEach((q, j) => {
            const { lower, upper, velocity } = arm.joints[j]!;
            expect(q).toBeGreaterThan(lower);
            expect(q).toBeLessThan(upper);
            expect(Math.abs(q - before[j]!) / PERIOD_S).toBeLessThanOrEqual(velocity);
          });
          before = positions;
          simulation.moveArm(positions, PERIOD_S);
          simulation.moveGripper(gripperWidthM);
          simulation.advance(PERIOD_S);
        }
        for (let i = 0; i < 8; i++) simulation.advance(PERIOD_S);
        expect([seed, judge(simulation)]).toEqual([seed, { success: true, failure: null }]);
        expect([...phases]).toEqual(Object.keys(PHASES).slice(1));
        ends.push(JSON.stringify([simulation.joints, simulation.poseOf(simulation.scene.task.object)]));
      });
    }
    // To the last bit.
    expect(ends[4]).toBe(ends[3]);
  }, 120_000);
  it('an object that nobody has moved is not in its receptacle', async () => {
    await within(drawScene(config, 2), (simulation) => {
      expect(judge(simulation)).toEqual({ success: false, failure: 'outside' });
    });
  });
});
