import { describe, expect, it } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadArm } from '../../src/files/arm-file.js';
import { FRANKA_HAND_TCP } from '../../src/geometry/franka-kinematics.js';
import { toolPose } from '../../src/planning/inverse-kinematics.js';
import { carryLegs, CARRY_M, gripOf, nextCommands, poseThatHolds } from '../../src/simulator/carrying.js';
import { PHASES, type Phase } from '../../src/simulator/expert.js';
import { recordMoments, type MomentOptions } from '../../src/simulator/moments.js';
import { drawTrainingScene } from '../../src/simulator/draw-scene.js';
import { loadSceneConfig } from '../../src/simulator/scene-config.js';
import { readMoments, writeMoments } from '../../src/simulator/write-moments.js';

const PERIOD_S = 1 / 15;
const SEED = 100;
const arm = await loadArm('fr3');
const config = await loadSceneConfig('config/scenes/nano.yaml');
const OPTIONS: MomentOptions = { stride: 20, noiseRad: 0.02, detours: 1, phases: Object.keys(PHASES) as Phase[] };

const distance = (a: readonly number[], b: readonly number[]): number => Math.hypot(...a.map((x, i) => x - b[i]!));

describe('the way of a held object', () => {
  const scene = drawTrainingScene(config, SEED);
  const receptacle = scene.receptacles[0]!;
  const tool = toolPose(scene.startJoints, FRANKA_HAND_TCP);
  const grip = gripOf(tool, [tool.translation[0], tool.translation[1], tool.translation[2] - 0.01], 0.02);

  it('goes up, over, and down; over the receptacle it only goes down', () => {
    const low = poseThatHolds(tool, grip, [0.45, 0, 0.01]);
    expect(carryLegs(low, grip, receptacle).map(({ phase }) => phase)).toEqual(['lift', 'preplace', 'place']);
    const high = poseThatHolds(tool, grip, [0.45, 0, CARRY_M]);
    expect(carryLegs(high, grip, receptacle).map(({ phase }) => phase)).toEqual(['preplace', 'place']);
    const [x, y] = receptacle.position;
    const over = poseThatHolds(tool, grip, [x + 0.01, y, 0.1]);
    expect(carryLegs(over, grip, receptacle).map(({ phase }) => phase)).toEqual(['place']);
  });

  it('ends with the object let go over the middle of the receptacle', () => {
    const commands = nextCommands(arm, scene.startJoints, 0, grip, receptacle, true, PERIOD_S, 120);
    const release = commands.findIndex(({ gripperWidthM }) => gripperWidthM > 0);
    const at = toolPose(commands[release]!.positions, FRANKA_HAND_TCP).translation;
    // The inverse kinematics are held to 2 mm, and the object hangs straight below the tool.
    expect(distance(at.slice(0, 2), receptacle.position.slice(0, 2))).toBeLessThan(0.003);
    const poses = commands.map(({ positions }) => toolPose(positions, FRANKA_HAND_TCP).translation);
    poses.slice(1).forEach((pose, i) => {
      // 0.3 m/s at 15 Hz, and what the inverse kinematics may be off at both ends.
      expect(distance(pose, poses[i]!)).toBeLessThan(0.3 / 15 + 0.004);
    });
  });
});

describe('moments', () => {
  it('have pictures, places and the next commands to every receptacle, the same for the same seed', async () => {
    const { scene, moments, failure } = await recordMoments(arm, config, SEED, OPTIONS);
    expect(failure).toBeNull();
    const held = moments.filter(({ isHeld }) => isHeld);
    expect(held.length).toBeGreaterThan(2);
    for (const moment of moments) {
      expect(moment.pictures.map(({ width, height }) => [width, height])).toEqual([
        [320, 180],
        [320, 180],
      ]);
      expect(moment.objects).toHaveLength(scene.objects.length);
    }
    // Nobody knows before the grasp where the hand goes behind it.
    expect(moments[0]!.next.every((commands) => commands === null)).toBe(true);
    for (const { next, state } of held) {
      expect(next).toHaveLength(scene.receptacles.length);
      for (const commands of next) {
        if (!commands) continue;
        expect(commands).toHaveLength(16);
        // The arm follows its commands with a lag of some hundredths of a radian.
        expect(Math.max(...commands[0]!.slice(0, 7).map((q, j) => Math.abs(q - state[j]!)))).toBeLessThan(0.3);
      }
    }
    const again = await recordMoments(arm, config, SEED, OPTIONS);
    expect(again.moments.map(({ state }) => state)).toEqual(moments.map(({ state }) => state));
    const others = moments.filter(({ phase }) => phase !== 'preplace').length;
    const only = await recordMoments(arm, config, SEED, { ...OPTIONS, phases: ['preplace'] });
    expect(only.moments).toHaveLength(moments.length - others);
  }, 60_000);

  it('are written once, say what is held out, and are read again', async () => {
    const out = await mkdtemp(path.join(tmpdir(), 'moments-'));
    try {
      const summary = await writeMoments(arm, config, SEED, out, OPTIONS);
      expect(await readMoments(out, SEED)).toEqual(summary);
      expect(await readMoments(out, SEED + 1)).toBeNull();
      const folder = path.join(out, `house_${SEED}`);
      expect((await readdir(folder)).sort()).toEqual(['exo_camera_1.png', 'moments.json', 'wrist_camera.png']);
      expect((await stat(path.join(folder, 'exo_camera_1.png'))).size).toBeGreaterThan(1000);
      const { objects, receptacles, moments } = JSON.parse(
        await readFile(path.join(folder, 'moments.json'), 'utf8'),
      ) as {
        readonly objects: readonly { readonly label: string; readonly isHeldOut: boolean }[];
        readonly receptacles: readonly { readonly position: readonly number[] }[];
        readonly moments: readonly unknown[];
      };
      expect(moments).toHaveLength(summary.moments);
      const scene = drawTrainingScene(config, SEED);
      expect(receptacles.map(({ position }) => position[0])).toEqual(
        scene.receptacles.map(({ position }) => Math.round(position[0] * 1e4) / 1e4),
      );
      for (const { label, isHeldOut } of objects)
        if (config.heldOut!.objects.includes(label)) expect(isHeldOut).toBe(true);
    } finally {
      await rm(out, { recursive: true });
    }
  }, 60_000);
});
