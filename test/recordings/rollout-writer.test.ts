import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Hdf5File } from '../../src/recordings/molmospaces/hdf5.js';
import { policyExample } from '../../src/recordings/molmospaces/policy-example.js';
import { groupValues } from '../../src/recordings/molmospaces/rollout.js';
import { RolloutRecording } from '../../src/recordings/molmospaces/rollout-recording.js';
import { RolloutWriter, type RolloutStep } from '../../src/recordings/molmospaces/rollout-writer.js';
import { decodeDepthImage } from '../../src/sensing/depth-image.js';
import type { Image } from '../../src/bus/messages.js';

const STEPS = 12;
const WIDTH = 64;
const HEIGHT = 48;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rollout-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function step(i: number): RolloutStep {
  const arm = Array.from({ length: 7 }, (_, j) => 0.1 * j + 0.01 * i);
  const color = { width: WIDTH, height: HEIGHT, data: new Uint8Array(WIDTH * HEIGHT * 3).fill(60 + 10 * i) };
  const depth = { width: WIDTH, height: HEIGHT, data: new Float32Array(WIDTH * HEIGHT).fill(0.2 + 0.01 * i) };
  return {
    qpos: { arm, base: [], gripper: [0.01, 0.01] },
    qvel: { arm: arm.map(() => 0.5), base: [], gripper: [0, 0] },
    commandedAction: i === 0 ? {} : { arm, gripper: [255] },
    jointPos: i === STEPS - 1 ? {} : { arm: arm.map((q) => q + 1), gripper: [255] },
    jointPosRel: { arm: arm.map(() => 0) },
    eePose: {},
    eeTwist: {},
    reward: i,
    success: i > 8,
    cameras: {
      wrist_camera: {
        worldToCamera: [
          [1, 0, 0, 0.1],
          [0, 0, -1, 0.2],
          [0, 1, 0, 0.3],
        ],
        intrinsics: [50, 0, 32, 0, 50, 24, 0, 0, 1],
        color,
        depth,
      },
    },
    extra: { policy_phase: [i % 3], robot_base_pose: [0, 0, 0, 1, 0, 0, 0] },
  };
}

async function write(): Promise<void> {
  const writer = await RolloutWriter.create(folder, '_batch_1_of_1');
  await writer.add(
    {
      task_type: 'pick_and_place',
      task_description: 'Pick up the café mug',
      policy_dt_ms: 66,
      policy_phases: { unknown: 0, grasp: 1, lift: 2 },
    },
    Array.from({ length: STEPS }, (_, i) => step(i)),
    {
      camera: 'wrist_camera',
      positions: Array.from({ length: STEPS }, (_, t) => [
        [0, 0, 0.3 + t / 100],
        [0.1, 0, 0.4],
      ]),
      pixels: Array.from({ length: STEPS }, () => [
        [32, 24],
        [44, 24],
      ]),
      visible: Array.from({ length: STEPS }, (_, t) => [true, t < 6]),
      intrinsics: [50, 0, 32, 0, 50, 24, 0, 0, 1],
    },
  );
  await writer.commit();
}

describe('a rollout that is written in the MolmoSpaces layout', () => {
  it('is read back with the same rows, pictures, depth and tracks', async () => {
    await write();
    expect((await readdir(folder)).sort()).toEqual([
      'episode_00000000_wrist_camera_batch_1_of_1.mp4',
      'episode_00000000_wrist_camera_depth_batch_1_of_1.mp4',
      'episode_00000000_wrist_camera_point_tracks.npz',
      'trajectories_batch_1_of_1.h5',
    ]);
    const recording = await RolloutRecording.open(path.join(folder, 'trajectories_batch_1_of_1.h5'));
    const { rollout } = recording;
    expect(recording.problems).toEqual([]);
    expect(rollout.taskDescription).toBe('Pick up the café mug');
    expect(rollout.stepS).toBe(0.066);
    expect(rollout.phaseNames).toEqual({ 0: 'unknown', 1: 'grasp', 2: 'lift' });
    expect(rollout.phases).toEqual(Array.from({ length: STEPS }, (_, i) => i % 3));
    expect(rollout.success.indexOf(true)).toBe(9);
    expect(groupValues(rollout.qpos, 3)).toEqual(step(3).qpos);
    expect(groupValues(rollout.jointPos, STEPS - 1)).toBeNull();
    expect(policyExample(rollout, 2, 4).actions[0]).toEqual([...step(3).jointPos['arm']!, 255].map(Math.fround));
    expect(rollout.cameras[0]!.worldToCamera[5]).toEqual(step(5).cameras['wrist_camera']!.worldToCamera);
    expect(recording.tracks!.positions[4]![0]![2]).toBeCloseTo(0.34, 6);
    expect(recording.tracks!.visible[7]).toEqual([true, false]);
    let pictures = 0;
    for await (const { topic, content } of recording.messages()) {
      if (!topic.endsWith('image_raw')) continue;
      const image = content as Image;
      const i = Math.floor(pictures++ / 2);
      if (topic.includes('/color/')) expect(Math.abs(image.data[300]! - (60 + 10 * i))).toBeLessThanOrEqual(4);
      else expect(Math.abs(decodeDepthImage(image).data[500]! - (0.2 + 0.01 * i))).toBeLessThan(0.002);
    }
    expect(pictures).toBe(2 * STEPS);
  });

  it('keeps data that no compression makes smaller', async () => {
    const writer = await RolloutWriter.create(folder, '');
    await writer.add(
      { task_type: 'x', task_description: 'x', policy_dt_ms: 66, policy_phases: {} },
      [0, 1, 2].map((i) => ({ ...step(i + 7), reward: Math.sqrt(2 + i) })),
      null,
    );
    await writer.commit();
    const file = await Hdf5File.open(path.join(folder, 'trajectories.h5'));
    expect([...file.numbers('traj_0/success')!.data]).toEqual([0, 0, 1]);
    expect([...file.numbers('traj_0/rewards')!.data]).toEqual([2, 3, 4].map((v) => Math.fround(Math.sqrt(v))));
    file.close();
  });

  it('leaves nothing behind when it is aborted', async () => {
    const writer = await RolloutWriter.create(folder, '');
    await writer.abort();
    expect(await readdir(folder)).toEqual([]);
  });
});
