import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DEFAULT_QOS } from '../../src/bus/bus.js';
import { encodeCdr } from '../../src/bus/cdr.js';
import { seededRandom } from '../../src/core/random.js';
import { toTimeMessage } from '../../src/core/time.js';
import { loadArm } from '../../src/files/arm-file.js';
import { McapFileWriter } from '../../src/recordings/mcap/mcap-file-writer.js';
import { sentCurve } from '../controller/made-curve.js';
import { expectOneError, run } from './program.js';

const TOPIC = '/arm_controller/joint_trajectory';
const HOME = [0, 0, 0, -1.6, 0, 2.5, 0];
let folder: string;
let good: string;
let bad: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'commands-'));
  good = await record('good', true);
  bad = await record('bad', false);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Two seconds of commands, with where the arm stood before. */
async function record(name: string, isWhole: boolean): Promise<string> {
  const fr3 = await loadArm('fr3');
  // Half of its speed, at which the velocity envelope near the position limits is not met.
  const slow = { ...fr3, joints: fr3.joints.map((joint) => ({ ...joint, velocity: joint.velocity / 2 })) };
  const commands = sentCurve(slow, seededRandom(1), 30, HOME, {
    fields: 'pva',
    from: isWhole ? -2 : 0,
    committed: 4,
    onePoint: !isWhole,
  });
  const file = path.join(folder, `${name}.mcap`);
  const writer = await McapFileWriter.create(file, 'none');
  writer.addTopic(TOPIC, 'trajectory_msgs/msg/JointTrajectory', DEFAULT_QOS);
  writer.addTopic('/joint_states', 'sensor_msgs/msg/JointState', DEFAULT_QOS);
  const before = commands[0]!.at - 1n;
  const state = {
    header: { stamp: toTimeMessage(before), frame_id: '' },
    name: fr3.joints.map((joint) => joint.name),
    position: HOME,
    velocity: [],
    effort: [],
  };
  await writer.write('/joint_states', encodeCdr('sensor_msgs/msg/JointState', state), before, before);
  for (const { at, message } of commands)
    await writer.write(TOPIC, encodeCdr('trajectory_msgs/msg/JointTrajectory', message), at, at);
  await writer.commit();
  return file;
}

const evaluate = (...args: string[]): ReturnType<typeof run> =>
  run(['evaluate', 'commands', '--topic', TOPIC, ...args]);

describe('evaluate commands', () => {
  it('passes commands that keep the limits, also over a bad link and with clocks that are apart', async () => {
    const ended = await evaluate(good, '--json', '-', '--delay', '0,0.1', '--clock', '0.05');
    expect([ended.code, ended.err]).toEqual([0, '']);
    const { arm, results } = JSON.parse(ended.out);
    expect([arm, results.map((one: any) => one.interpolates_from)]).toEqual(['fr3', ['desired', 'measured']]);
    for (const { sent, refused, acceleration, stepRad } of results) {
      expect([sent, refused]).toEqual([28, 0]);
      expect(acceleration.share).toBeGreaterThan(0.9);
      expect(acceleration.share).toBeLessThan(1.001);
      expect(stepRad).toBeLessThan(1.001e-5);
    }
  });
  it('tells what is broken, by which joint and when, and ends with 5', async () => {
    const ended = await evaluate(bad, '--from', 'measured');
    expect(ended.code).toBe(5);
    expect(ended.out).toMatch(/measured.*\(joint \d, \d\.\d{3} s\)/);
    expect(ended.out).toMatch(/the first refused message: it ends in motion/);
    const allowed = await evaluate(bad, '--allow-moving-end', '--json', '-');
    expect(JSON.parse(allowed.out).results).toEqual([
      expect.objectContaining({ refused: 0 }),
      expect.objectContaining({ refused: 0 }),
    ]);
    expect(allowed.code).toBe(5);
  });
  it('says what it needs', async () => {
    expectOneError(
      await run(['evaluate', 'commands', good]),
      3,
      /no trajectories on \/molmo_motion\/command.*arm_controller/,
    );
    expect((await evaluate(good, '--delay', '0.2,0.1')).code).toBe(2);
    expect((await evaluate(good, '--loss', '1')).code).toBe(2);
  });
});
