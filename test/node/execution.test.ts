import { describe, expect, it } from '@jest/globals';
import type { SettingsTree } from '../../src/assembly/config/layers.js';
import { parseLayers } from '../../src/assembly/config/load-config.js';
import { FAULTS, parseFault, type FaultName } from '../../src/runs/faults.js';
import type { ReplayReport } from '../../src/runs/replay-report.js';
import { replay } from '../../src/runs/replay.js';
import { KnowingNetwork, madeRecording, policyModels } from './made-recording.js';

async function run(
  faults: readonly string[] = [],
  execution: SettingsTree = {},
): Promise<{
  readonly report: ReplayReport;
  readonly done: NonNullable<ReplayReport['execution']>;
  readonly network: KnowingNetwork;
}> {
  const network = new KnowingNetwork();
  const { report } = await replay(madeRecording(), {
    config: parseLayers([
      {
        origin: 'test',
        values: {
          seed: 1,
          forecasting: { forecaster: 'static', options: { steps: 5 } },
          // Any folder: the models are those of the test.
          planning: { planner: '.' },
          execution: { dry_run: false, ...execution },
        },
      },
    ]).config,
    models: policyModels(network),
    faults: faults.map(parseFault),
  });
  return { report, done: report.execution!, network };
}

/** Commands are the recorded ones, but for the first moments: the recorded arm swings already, and the curve begins at rest and catches up with it. */
function follows({ command_error_rad: error }: NonNullable<ReplayReport['execution']>): void {
  expect(error!.max).toBeLessThan(0.1);
  expect(error!.mean).toBeLessThan(0.01);
}

describe('a recording through all stages', () => {
  it('asynchronously: commands are those that were given, without a pause', async () => {
    const { report, done, network } = await run();
    expect(done.stops).toEqual([]);
    expect([done.phase, done.arm, done.mode]).toEqual(['active', 'fr3', 'asynchronous']);
    // 60 steps, less the first chunk's way.
    expect(done.commands).toBeGreaterThan(54);
    // The resting curve, and the wait for the first chunk.
    expect(done.holds).toBeLessThanOrEqual(4);
    // Each chunk is used for eight steps.
    expect(done.chunks).toBeGreaterThanOrEqual(6);
    expect(done.chunks).toBeLessThanOrEqual(9);
    expect(done.slack_s!.least).toBeGreaterThan(0);
    follows(done);
    expect(report.policy!.arm_error_rad.max).toBeLessThan(1e-6);
    expect(report.policy!.gripper_agreement).toBe(1);
    expect(network.asked[0]).toMatchObject({ instruction: 'swing', images: 2 });
    expect(network.asked[0]!.state[7]).toBeCloseTo(0.1, 6);
    expect(done.gripper_moves).toBeGreaterThanOrEqual(3);
  });
  it('synchronously: eight of sixteen, as the published policies', async () => {
    const { done } = await run([], { mode: 'synchronous', latency_s: 0 });
    expect(done.stops).toEqual([]);
    expect(done.command_error_rad!.mean).toBeLessThan(0.02);
    expect(Math.abs(done.commands / done.chunks - 8)).toBeLessThan(1);
  });
  it('with a blend between chunks', async () => {
    const { done } = await run([], { blend_steps: 3 });
    follows(done);
  });
  it('repeats exactly', async () => {
    expect((await run()).done).toEqual((await run()).done);
  });
  it('refuses a latency that no chunk can outlast', async () => {
    await expect(run([], { latency_s: 0.6 })).rejects.toMatchObject({
      code: 'queue.latency',
      message: expect.stringMatching(/a chunk takes 0\.600 s, but only 0\.533 s of 16 steps are left/),
    });
  });
});

/** What the operator reads first, and whether the arm is led to a stop or nothing more is sent. */
const STOPS: Partial<Record<FaultName, readonly [code: string, message: RegExp]>> = {
  'camera-stall': ['stale.camera.exo', /camera exo: nothing has come for 0\.\d+ s \(allowed: 0\.50 s\)/],
  'camera-constant': ['constant.camera.exo', /the same picture has come for 2\.\d+ s/],
  'camera-uncalibrated': ['stale.camera.exo', /camera exo: nothing has come/],
  'camera-resized': ['stale.camera.exo', /camera exo: nothing has come/],
  'joints-stall': ['stale.joints', /joint states: nothing has come/],
  'joints-nan': ['stale.joints', /joint states: nothing has come/],
  'joints-missing': ['stale.joints', /joint states: nothing has come/],
  'tf-stall': ['stale.transforms', /transforms: nothing has come/],
  'stamps-old': ['stale.joints', /its stamp is 10\.\d+ s old, though it came just now/],
  'clock-back': ['clock.jump', /the clock jumped back by 0\.9\d+ s/],
  'clock-forward': ['stale.joints', /joint states: nothing has come/],
  'instruction-empty': ['stale.chunk', /plan: nothing has come/],
  'instruction-special-token': ['stale.chunk', /plan: nothing has come/],
  'robot-reflex': ['robot.mode', /the robot is in mode "reflex"/],
  'controller-off': ['robot.mode', /the robot is in mode "controller inactive"/],
  'policy-nan': ['stale.chunk', /plan: nothing has come/],
  'policy-short': ['stale.chunk', /plan: nothing has come/],
  'policy-late': ['stale.chunk', /plan: nothing has come/],
  'worker-death': ['worker.lost', /the policy worker died/],
};

describe('faults', () => {
  it('that could not happen are refused, and not taken for survived', async () => {
    await expect(run(['camera-stall@99s'])).rejects.toMatchObject({
      code: 'fault.time',
      message: expect.stringMatching(/camera-stall at 99 s is outside what is played \(0 to 3\.93 s\)/),
    });
    const alone = {
      config: parseLayers([]).config,
      models: policyModels(new KnowingNetwork()),
      faults: [parseFault('policy-nan@1s')],
    };
    await expect(replay(madeRecording(), alone)).rejects.toMatchObject({ code: 'fault.policy' });
    expect(() => parseFault('toString@1s')).toThrow(/no fault that can be injected/);
  });
  it.each(Object.entries(STOPS).map(([name, [code, message]]) => ({ name, code, message })))(
    '$name ends in a stop that is latched',
    async ({ name, code, message }) => {
      const { done } = await run([`${name}@1.2s`]);
      expect(done.stops[0]).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(done.stops[0]!.remedy).not.toBe('');
      // Latched: one stop, and nothing starts again by itself.
      expect(done.stops).toHaveLength(1);
      expect(done.phase).toBe('stopped');
    },
  );
  it.each(['joints-shuffled', 'burst', 'depth-empty'] as const)('%s does no harm', async (name) => {
    const { done } = await run([`${name}@1.2s`]);
    expect(done.stops).toEqual([]);
    follows(done);
  });
  it('another task in the middle of a chunk: nothing of the one before is executed any more', async () => {
    const { done, network } = await run(['instruction-change@1.2s']);
    expect(done.stops).toEqual([]);
    expect(new Set(network.asked.map(({ instruction }) => instruction))).toEqual(
      new Set(['swing', 'do something else instead']),
    );
    // The arm went where the other task has it, and no longer with the swing.
    expect(done.command_error_rad!.max).toBeGreaterThan(0.05);
    expect(done.holds).toBeGreaterThan(0);
  });
  it('every fault has a name, a description and a test', () => {
    const tested = new Set([...Object.keys(STOPS), 'joints-shuffled', 'burst', 'depth-empty', 'instruction-change']);
    expect([...tested].sort()).toEqual(Object.keys(FAULTS).sort());
    expect(parseFault('camera-stall@3.2s')).toEqual({ name: 'camera-stall', atS: 3.2 });
    expect(() => parseFault('camera-stall')).toThrow(/no fault that can be injected/);
    expect(() => parseFault('gremlins@1s')).toThrow(/gremlins/);
  });
});
