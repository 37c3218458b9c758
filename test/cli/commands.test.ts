import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeTabletop } from '../../src/recordings/synthetic/write-tabletop.js';
import { describeShared, sharedPath } from '../golden/shared.js';
import { expectOneError, run, type Ended } from './program.js';

let folder: string;

beforeAll(async () => {
  if (!existsSync(path.resolve(import.meta.dirname, '../../dist/cli/main.js')))
    throw new Error('build first: npm run build');
  folder = await mkdtemp(path.join(tmpdir(), 'cli-'));
  await writeTabletop(path.join(folder, 'tabletop.mcap'), {
    seconds: 3,
    rateHz: 15,
    width: 160,
    height: 90,
    compressed: true,
    clicksAtS: [1.6, 2.4],
  });
});
beforeAll(async () => {
  const size = { width: 64, height: 36 };
  await writeTabletop(file('long.mcap'), {
    seconds: 300,
    rateHz: 15,
    ...size,
    compressed: false,
    repeatS: 1,
    clicksAtS: [],
  });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});
const file = (...parts: string[]): string => path.join(folder, ...parts);

describe('molmo-motion', () => {
  it('explains itself', async () => {
    const help = await run(['--help']);
    expect(help.code).toBe(0);
    for (const command of [
      'replay',
      'forecast',
      'lift',
      'tracks',
      'evaluate',
      'info',
      'demo',
      'bench',
      'build',
      'inspect',
      'policy',
      'point',
      'parity',
      'serve',
    ]) {
      expect(help.out).toContain(command);
      const own = await run([command, '--help']);
      expect([command, own.code]).toEqual([command, 0]);
      expect(own.out).toContain('Exit codes');
    }
  });
  it('refuses wrong options with 2', async () => {
    expect((await run(['replay', 'x'])).code).toBe(2);
    expect((await run(['replay', 'x', '--out', 'y', '--steps', '0'])).code).toBe(2);
    expect((await run(['nothing'])).code).toBe(2);
  });
});

describe('molmo-motion replay', () => {
  it('turns a recording into points, forecasts, a picture and a report', async () => {
    const out = file('replayed');
    const ended = await run(['replay', file('tabletop.mcap'), '--out', out, '--json', '-']);
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect((await readdir(out)).sort()).toEqual(['overlay.png', 'replay.mcap', 'report.json']);
    const report = JSON.parse(ended.out);
    expect(JSON.parse(await readFile(path.join(out, 'report.json'), 'utf8'))).toEqual(report);
    expect(report.stages.forecasting.forecasts).toBe(2);
    expect(report.stages.sensing.frames).toBe(90);
    expect(report.refusals).toEqual([]);
    const again = JSON.parse((await run(['info', path.join(out, 'replay.mcap'), '--json', '-'])).out);
    const counts = Object.fromEntries(again.topics.map((t: { topic: string; count: number }) => [t.topic, t.count]));
    expect(counts['/molmo_motion/forecast']).toBe(2);
    expect(counts['/molmo_motion/markers']).toBe(2);
    expect(counts['/exo_camera_1/color/image_raw/compressed']).toBe(45);
    expect(again.problems).toEqual([]);
    // A replay can be replayed: what it said is said anew, not twice.
    const second = file('replayed-again');
    expect((await run(['replay', path.join(out, 'replay.mcap'), '--out', second])).code).toBe(0);
    const twice = JSON.parse((await run(['info', path.join(second, 'replay.mcap'), '--json', '-'])).out);
    expect(twice.topics.find((t: { topic: string }) => t.topic === '/molmo_motion/forecast').count).toBe(2);
  });

  it('says what stands in the way', async () => {
    await writeFile(file('empty.mcap'), '');
    await writeFile(file('noise.mcap'), 'this is no recording');
    await writeFile(file('noise.h5'), 'this is no rollout');
    await writeFile(file('a-file'), 'x');
    await mkdir(file('nothing'));
    expectOneError(await run(['replay', file('empty.mcap'), '--out', file('o')]), 3, 'is empty');
    expectOneError(await run(['replay', file('noise.mcap'), '--out', file('o')]), 3, 'is not an MCAP file');
    expectOneError(await run(['replay', file('noise.h5'), '--out', file('o')]), 3, 'cannot be read as HDF5');
    expectOneError(await run(['replay', file('absent.mcap'), '--out', file('o')]), 3, 'cannot be opened');
    expectOneError(await run(['replay', file('nothing'), '--out', file('o')]), 3, 'holds no .mcap file');
    expectOneError(await run(['replay', file('tabletop.mcap'), '--out', file('a-file', 'o')]), 4, 'cannot write');
    expectOneError(
      await run(['replay', file('tabletop.mcap'), '--out', file('o'), '--camera', 'nose']),
      2,
      'no camera "nose"',
    );
    expectOneError(
      await run(['replay', file('tabletop.mcap'), '--out', file('o'), '--forecaster', 'stored']),
      2,
      'Give stored:FILE',
    );
    expectOneError(
      await run(['replay', file('tabletop.mcap'), '--out', file('o'), '--forecaster', 'stored:answers.jsonl']),
      2,
      'stored answers belong to clips',
    );
    // The recording of this test is 3 s long.
    expectOneError(
      await run(['replay', file('tabletop.mcap'), '--out', file('o'), '--from', '50']),
      2,
      /tabletop\.mcap is \d\.\d+ s long, and the replay is to begin 50 s after its start\. Begin earlier/,
    );
    // So many steps would exhaust the memory.
    expectOneError(
      await run(['replay', file('tabletop.mcap'), '--out', file('o'), '--steps', '9999999']),
      2,
      /steps: .*<=1000/,
    );
    expect(existsSync(file('o', 'replay.mcap'))).toBe(false);
  });

  it('leaves nothing under a final name when it is cancelled', async () => {
    const ended = await run(
      ['replay', file('long.mcap'), '--out', file('cancelled')],
      file('cancelled', 'replay.mcap.partial'),
    );
    expect([ended.code, await readdir(file('cancelled'))]).toEqual([130, []]);
    expect(ended.err).toContain('cancelled');
  });

  it('plays what a cut file holds and says so', async () => {
    await cp(file('long.mcap'), file('cut.mcap'));
    await truncate(file('cut.mcap'), 5_000_000);
    const ended = await run(['replay', file('cut.mcap'), '--out', file('cut')]);
    expect(ended.code).toBe(0);
    expect(ended.out).toContain('cut off at byte 5000000');
    expect(
      JSON.parse(await readFile(file('cut', 'report.json'), 'utf8')).problems.map((p: { code: string }) => p.code),
    ).toContain('mcap.truncated');
  });
});

describeShared('molmo-motion on the published clips', 'real/clips', () => {
  it('reports ADE, FDE and PWT where the truth is known', async () => {
    const ended = await run([
      'replay',
      sharedPath('real/clips/molmospaces_pick_place'),
      '--forecaster',
      'extrapolate',
      '--out',
      file('clip'),
      '--json',
      '-',
    ]);
    const { metrics } = JSON.parse(ended.out);
    for (const name of ['ADE', 'FDE', 'PWT']) expect(metrics.paper[name]).toBeGreaterThan(0);
    expect(metrics.paper.pairs).toBe(8 * 30);
    expect(existsSync(file('clip', 'overlay.png'))).toBe(true);
  });

  it('names what is wrong with a clip', async () => {
    const copy = async (change: (clip: string) => Promise<void>): Promise<Ended> => {
      const clip = await mkdtemp(file('clip-'));
      await cp(sharedPath('real/clips/davis_flamingo'), clip, { recursive: true });
      for (const name of await readdir(clip)) await chmod(path.join(clip, name), 0o644);
      await change(clip);
      return run(['forecast', clip, '--forecaster', 'static', '--out', file('clip.json')]);
    };
    expectOneError(await copy((clip) => rm(path.join(clip, 'frame_t-1.jpg'))), 3, 'frame_t-1');
    expectOneError(await copy((clip) => writeFile(path.join(clip, 'clip.json'), '{"caption": ')), 3, 'not JSON');
    expectOneError(
      await copy((clip) => writeFile(path.join(clip, 'clip.json'), '{"caption": "x"}')),
      3,
      'points_3d_history',
    );
    expectOneError(
      await copy((clip) => writeFile(path.join(clip, 'frame_t-1.jpg'), 'no picture')),
      3,
      'cannot be read as an image',
    );
    expectOneError(
      await copy((clip) => cp(sharedPath('real/rgbd/color.png'), path.join(clip, 'frame_t-1.jpg'))),
      3,
      'differ in size',
    );
    expect(existsSync(file('clip.json'))).toBe(false);
  });

  it('writes an answer that does not parse with its text, and exits with 3', async () => {
    const rows = (await readFile(sharedPath('real/predictions_h3.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const row = rows.find((r) => r.video === 'flamingo');
    row.rollouts[0].pred_text = row.rollouts[0].pred_text.slice(0, 500);
    await writeFile(file('cut.jsonl'), JSON.stringify(row));
    const ended = await run([
      'forecast',
      sharedPath('real/clips/davis_flamingo'),
      '--forecaster',
      `stored:${file('cut.jsonl')}`,
      '--out',
      file('unparsable.json'),
    ]);
    expectOneError(ended, 3, 'holds no <tracks');
    const result = JSON.parse(await readFile(file('unparsable.json'), 'utf8'));
    expect(result.raw_text).toBe(row.rollouts[0].pred_text);
    expect(result.error).toContain('500 characters');
    expect(result.points).toBeUndefined();
    await writeFile(file('broken.jsonl'), '{"example_id": 1\n');
    expectOneError(
      await run([
        'forecast',
        sharedPath('real/clips/davis_flamingo'),
        '--forecaster',
        `stored:${file('broken.jsonl')}`,
        '--out',
        file('x.json'),
      ]),
      3,
      'line 1',
    );
  });

  it('lifts 8 points on the die, and refuses a hole with its reason', async () => {
    await writeFile(
      file('kinect.json'),
      JSON.stringify({ fx: 525, fy: 525, cx: 319.5, cy: 239.5, width: 640, height: 480, depth_scale: 5000 }),
    );
    const lift = (click: string, out: string): Promise<Ended> =>
      run([
        'lift',
        '--color',
        sharedPath('real/rgbd/color.png'),
        '--depth',
        sharedPath('real/rgbd/depth.png'),
        '--intrinsics',
        file('kinect.json'),
        '--click',
        click,
        '--out',
        file(out),
      ]);
    expect((await lift('150,222', 'die.json')).code).toBe(0);
    const { points } = JSON.parse(await readFile(file('die.json'), 'utf8'));
    expect(points).toHaveLength(8);
    for (const { xyz_m: xyz } of points) expect(Math.abs(xyz[2] - 2.07)).toBeLessThan(0.07);
    const hole = await lift('0,0', 'hole.json');
    expect(hole.code).toBe(3);
    expect(JSON.parse(await readFile(file('hole.json'), 'utf8')).points[0]).toMatchObject({
      xyz_m: null,
      refused: expect.stringContaining('hole'),
    });
    await writeFile(file('uncalibrated.json'), JSON.stringify({ K: [0, 0, 0, 0, 0, 0, 0, 0, 0] }));
    expectOneError(
      await run([
        'lift',
        '--color',
        sharedPath('real/rgbd/color.png'),
        '--depth',
        sharedPath('real/rgbd/depth.png'),
        '--intrinsics',
        file('uncalibrated.json'),
        '--click',
        '9,9',
        '--out',
        file('x.json'),
      ]),
      3,
      'K[0] is 0',
    );
  });
});
