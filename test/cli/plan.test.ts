import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { describeShared, sharedPath } from '../golden/shared.js';
import { expectOneError, run } from './program.js';

let folder: string;
const file = (name: string): string => path.join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'cli-plan-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const JOINTS = [0, -0.3, 0, -2.2, 0, 1.9, 0.785];
/** The gripper at the object, pointing down in the picture. */
const graspAt = (xyz: readonly number[]): unknown => ({
  joints: JOINTS,
  gripper_in_camera: { xyz_m: xyz, xyzw: [-Math.SQRT1_2, 0, 0, Math.SQRT1_2] },
});
const read = async (name: string): Promise<Record<string, never>> => JSON.parse(await readFile(file(name), 'utf8'));

describeShared('molmo-motion plan', 'real/clips', () => {
  const clip = sharedPath('real', 'clips', 'molmospaces_pick_place');
  beforeAll(async () => {
    const ended = await run(['forecast', clip, '--forecaster', 'truth', '--out', file('forecast.json')]);
    expect(ended.code).toBe(0);
    const { start } = (await read('forecast.json')) as unknown as { start: number[][] };
    const centre = [0, 1, 2].map((axis) => start.reduce((sum, p) => sum + p[axis]!, 0) / start.length);
    await writeFile(file('grasp.json'), JSON.stringify(graspAt(centre)));
  });
  const plan = (...more: string[]): ReturnType<typeof run> =>
    run([
      'plan',
      '--forecast',
      file('forecast.json'),
      '--arm',
      'fr3',
      '--grasp',
      file('grasp.json'),
      '--out',
      file('plan.json'),
      '--overwrite',
      ...more,
    ]);

  it('the gripper carries the salt shaker along its true way', async () => {
    const ended = await plan('--image', file('plan.png'));
    expect(ended.code).toBe(0);
    const made = (await read('plan.json')) as unknown as {
      times_s: number[];
      positions: number[][];
      waypoints: { positions: number[][]; residual_m: number[] };
      rigid_rms_m: number[];
      gripper_path_m: number[][];
      dilation: number;
    };
    expect(made.times_s).toHaveLength(made.positions.length);
    expect(made.positions[0]).toEqual(JOINTS);
    expect(made.waypoints.positions).toHaveLength(31);
    expect(Math.max(...made.waypoints.residual_m)).toBeLessThan(1e-4);
    expect(Math.max(...made.rigid_rms_m)).toBeLessThan(1e-3);
    expect(made.dilation).toBeCloseTo(1, 6);
    // The shaker moves by 157 mm.
    const [first, last] = [made.gripper_path_m[0]!, made.gripper_path_m.at(-1)!];
    expect(Math.hypot(...first.map((x, i) => x - last[i]!))).toBeCloseTo(0.157, 2);
    const { width, height } = await sharp(file('plan.png')).metadata();
    expect([width, height]).toEqual([960, 480]);
  });
  it('a grasp that is far from the object is refused with the distance', async () => {
    const { start } = (await read('forecast.json')) as unknown as { start: number[][] };
    const grasp = await read('grasp.json');
    // Along the ray of the first point, 0.4 m behind it.
    const away = start[0]!.map((x, axis) => x + (axis === 2 ? 0.4 : 0));
    await writeFile(file('grasp.json'), JSON.stringify(graspAt(away)));
    expect((await plan()).code).toBe(3);
    expect(await read('plan.json')).toMatchObject({
      refused: { code: 'plan.grasp', message: expect.stringMatching(/tool centre is 0\.\d+ m from the nearest point/) },
    });
    await writeFile(file('grasp.json'), JSON.stringify(grasp));
  });
  it('a path that cannot be followed is refused with a reason, and ends with 3', async () => {
    const joints = [0, 1.7, 0, -0.2, 0, 1.9, 0.785];
    await writeFile(file('grasp.json'), JSON.stringify({ ...(await read('grasp.json')), joints }));
    const ended = await plan();
    expect(ended.code).toBe(3);
    expect(await read('plan.json')).toMatchObject({
      arm: 'fr3',
      refused: {
        code: expect.stringMatching(/^plan\.|^limiter\./),
        message: expect.any(String),
        remedy: expect.any(String),
      },
    });
  });
  it('says what is wrong with its files', async () => {
    await writeFile(file('grasp.json'), JSON.stringify({ joints: JOINTS }));
    expectOneError(await plan(), 3, /grasp\.json is not a grasp: .*either camera_in_base or gripper_in_camera/);
    await writeFile(file('grasp.json'), 'no json');
    expectOneError(await plan(), 3, /grasp\.json is not a grasp/);
    expectOneError(await plan('--arm', 'ur5'), 2, /no arm "ur5"/);
  });
});
