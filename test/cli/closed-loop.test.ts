import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { invert, transformPoint } from '../../src/geometry/transform.js';
import { DEFAULT_TOPICS } from '../../src/node/topics.js';
import { openRecording } from '../../src/recordings/open-recording.js';
import { drawScene } from '../../src/simulator/draw-scene.js';
import { loadSceneConfig } from '../../src/simulator/scene-config.js';
import { expectOneError, run } from './program.js';

/** In the simulator over its bus, as a user starts it: the loops over pixels are many times as slow within the test runner. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'closed-loop-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = await loadSceneConfig();

async function evaluate(...args: string[]): Promise<any> {
  const ended = await run(['evaluate', 'episodes', '--json', '-', ...args]);
  // On a slow machine there is a line of progress every minute.
  expect([ended.code, ended.err.replaceAll(/^episodes \d+\/\d+, .* left\n/gm, '')]).toEqual([0, '']);
  return JSON.parse(ended.out);
}

const withoutTimes = (episodes: readonly any[]): any[] =>
  episodes.map((episode) => ({
    ...episode,
    wall_s: 0,
    spent_ms: {},
    chunk_latencies_ms: episode.chunk_latencies_ms.length,
  }));

describe('evaluate episodes', () => {
  it('picks and places, the same with one job or two', async () => {
    const [one, two] = [
      await evaluate('--count', '2', '--seed', '0', '--jobs', '1'),
      await evaluate('--count', '2', '--seed', '0', '--jobs', '2'),
    ];
    expect(withoutTimes(one.episodes)).toEqual(withoutTimes(two.episodes));
    expect(one).toMatchObject({ forecaster: 'truth', planner: 'rigid', failures: {} });
    expect(one.success).toMatchObject({ episodes: 2, succeeded: 2, rate: 1 });
    expect(one.success.seen_object.episodes + one.success.unseen_object.episodes).toBe(2);
    // The arm follows the forecasts a little late: from rest to rest, and within its limits.
    expect(one.forecast_error_m.ADE).toBeGreaterThan(0);
    expect(one.forecast_error_m.ADE).toBeLessThan(0.06);
    for (const { commands, forecasts, chunk_latencies_ms: latencies, stops, spent_ms: spent } of one.episodes) {
      expect(commands).toBeGreaterThan(100);
      expect(forecasts).toBeGreaterThan(10);
      // Eight of sixteen are executed, and the last chunk of a motion is held.
      expect(latencies.length).toBeGreaterThan(commands / 16);
      expect(stops).toEqual([]);
      expect(spent.pictures).toBeGreaterThan(spent.physics);
    }
  }, 120_000);

  it('goes to the object and the receptacle that the instruction names, and leaves the others', async () => {
    const { objects, receptacles, task } = drawScene(config, 3);
    const other = objects.find(({ name }) => name !== task.object)!;
    const receptacle = receptacles.find(({ name }) => name === task.receptacle)!;
    for (const { name, label } of [objects.find((o) => o.name === task.object)!, other]) {
      const report = await evaluate(
        ...['--count', '1', '--seed', '3', '--instruction', `Put the ${label} in the ${receptacle.label}`],
      );
      const [{ success, moved_m: moved }] = report.episodes;
      expect([name, success]).toEqual([name, true]);
      expect(moved[label]).toBeGreaterThan(0.08);
      for (const thing of objects) if (thing.name !== name) expect(moved[thing.label]).toBeLessThan(0.03);
    }
  }, 120_000);

  it('suffers from a bad calibration', async () => {
    const seeds = ['--count', '4', '--seed', '15', '--time-limit', '25'];
    const [good, bad] = [await evaluate(...seeds), await evaluate(...seeds, '--calibration-error', '0.03,0,0')];
    expect(good.success.succeeded).toBe(4);
    expect(bad.success.succeeded).toBeLessThan(2);
  }, 120_000);

  it('has no help of its own when nothing is forecast, and keeps what failed', async () => {
    const kept = path.join(folder, 'kept');
    const still = await evaluate('--count', '1', '--seed', '1', '--forecaster', 'static', '--keep-failed', kept);
    expect(still.failures).toEqual({ 'object.outside': 1 });
    expect(await readdir(kept)).toEqual(['episode_1.mcap']);
    const recording = await openRecording(path.join(kept, 'episode_1.mcap'), {});
    expect(recording.problems).toEqual([]);
    await recording.close();
    // What failed in an earlier run does not stand for this one.
    const again = path.join(folder, 'again');
    await mkdir(again);
    await writeFile(path.join(again, 'episode_0.mcap'), 'of before');
    const once = ['--count', '1', '--seed', '0', '--keep-failed', again];
    expectOneError(await run(['evaluate', 'episodes', ...once]), 4, /is not empty. Give --overwrite/);
    const good = await evaluate(...once, '--overwrite');
    expect(good.success.rate).toBe(1);
    expect(await readdir(again)).toEqual([]);
  }, 120_000);

  it('starts from a given pixel, and plans ahead while a chunk still plays', async () => {
    const scene = drawScene(config, 0);
    const camera = scene.cameras[0]!;
    const object = scene.objects.find(({ name }) => name === scene.task.object)!;
    const [x, y, z] = transformPoint(invert(camera.pose), object.position);
    const focal = camera.height / 2 / Math.tan((camera.verticalFovDeg * Math.PI) / 360);
    const pixel = [camera.width / 2 + (focal * x) / z, camera.height / 2 + (focal * y) / z].map(Math.round).join();
    const clicked = await evaluate('--count', '1', '--seed', '0', '--click', pixel);
    expect(clicked.episodes[0]).toMatchObject({ success: true, stops: [] });
    // Behind the table is nothing to be grasped.
    const nowhere = await evaluate('--count', '1', '--seed', '0', '--click', '5,5');
    expect(nowhere.failures).toEqual({ 'grounding.no-point': 1 });
    const ahead = await evaluate('--count', '1', '--seed', '2', '--mode', 'asynchronous', '--latency', '0.3');
    expect(ahead.episodes[0]).toMatchObject({ success: true, stops: [] });
  }, 120_000);

  it('tells why an arm was not started', async () => {
    const scene = path.join(folder, 'outside.yaml');
    await writeFile(
      scene,
      JSON.stringify({ ...config, arm: { start: [3, -0.6, 0, -2.3, 0, 1.75, 0.785], jitterRad: 0 } }),
    );
    const report = await evaluate('--count', '1', '--scene', scene, '--forecaster', 'static', '--time-limit', '1');
    expect(report.episodes[0].failure).toEqual({
      code: 'start.refused',
      message: expect.stringMatching(/joint 1 stands at 2\.\d+ rad, outside the limits of the fr3/),
    });
  }, 60_000);

  it('says what is wrong in one line', async () => {
    const bad = (...args: string[]): ReturnType<typeof run> =>
      run(['evaluate', 'episodes', '--count', '1', '--seed', '0', ...args]);
    expectOneError(await bad('--forecaster', 'psychic'), 2, /there is no forecaster "psychic"/);
    expectOneError(await bad('--planner', 'psychic'), 2, /there is no planner "psychic"/);
    expectOneError(await bad('--planner', folder), 3, /is no model bundle/);
    expectOneError(await bad('--instruction', 'Make tea'), 2, /"Make tea" names no object of the scene of seed 0/);
    expectOneError(await bad('--mode', 'asynchronous', '--latency', '0.8'), 2, /a chunk takes 0\.800 s/);
    await writeFile(path.join(folder, 'a-file'), '');
    expectOneError(await bad('--keep-failed', path.join(folder, 'a-file', 'x')), 4, /cannot write/);
    expectOneError(await bad('--json', path.join(folder, 'a-file', 'x.json')), 4, /cannot write/);
    expect((await bad('--calibration-error', '1,2')).code).toBe(2);
    expect((await bad('--count', '1000000000')).err).toMatch(/at most 1000000 episodes/);
  }, 120_000);
});

describe('the demo', () => {
  const untrained = ['--forecaster', 'truth', '--planner', 'rigid'];

  it('lets the trained models that are shipped forecast and plan', async () => {
    const out = path.join(folder, 'trained');
    const ended = await run(['demo', '--count', '1', '--out', out]);
    expect(ended.code).toBe(0);
    const report = JSON.parse(await readFile(path.join(out, 'report.json'), 'utf8'));
    expect(report).toMatchObject({ forecaster: 'models/nano-flow', planner: 'hybrid:models/nano-policy' });
    expect(report.success).toMatchObject({ episodes: 1, succeeded: 1 });
    const [credits] = /(?<=<p class="credits">)[^<]*/.exec(await readFile(path.join(out, 'report.html'), 'utf8'))!;
    expect(credits).toMatch(/^Forecasts: a trained model, models\/nano-flow\. Plans: hybrid .* models\/nano-policy\.$/);
  }, 120_000);

  it('shows the mission in a page, and keeps everything that was on the bus', async () => {
    const out = path.join(folder, 'demo');
    const ended = await run(['demo', '--count', '1', '--seed', '0', ...untrained, '--out', out]);
    expect(ended.code).toBe(0);
    expect(ended.err).toMatch(/1\/1 .*: in place after \d+\.\d s; forecast error \d\.\d cm, chunks within \d+ ms/);
    expect((await readdir(out)).sort()).toEqual(['episode_0.mcap', 'report.html', 'report.json']);
    const [result] = JSON.parse(await readFile(path.join(out, 'report.json'), 'utf8')).episodes;
    const page = await readFile(path.join(out, 'report.html'), 'utf8');
    expect(page).toContain(result.instruction);
    expect(page).toMatch(/<\/h1>\s*<p class="credits">Forecasts: truth, without a trained model .* Plans: rigid,/);
    // The film; the forecast; the plan against the forecasts, and the joints.
    const film = /data:video\/mp4;base64,([^"]*)"/.exec(page)![1]!;
    expect(Buffer.from(film, 'base64').subarray(4, 8).toString()).toBe('ftyp');
    expect(page.match(/data:image\/png;base64,/g)).toHaveLength(1);
    expect(page.match(/<svg /g)).toHaveLength(2);
    for (let j = 1; j <= 7; j++) expect(page).toContain(`>joint ${j}<`);
    // It needs nothing else.
    expect(page).not.toMatch(/(src|href)="https?:/);

    const recording = await openRecording(path.join(out, 'episode_0.mcap'), {});
    const topics = new Map(recording.topics.map(({ topic }) => [topic, 0]));
    for await (const { topic } of recording.messages()) topics.set(topic, topics.get(topic)! + 1);
    await recording.close();
    const ticks = Math.round(result.simulated_s * 15);
    for (const topic of [
      '/exo_camera_1/color/image_raw',
      '/wrist_camera/aligned_depth_to_color/image_raw',
      '/joint_states',
    ])
      expect([topic, topics.get(topic)]).toEqual([topic, ticks]);
    // Latched, for whoever plays it.
    expect([topics.get('/tf_static'), topics.get('/instruction')]).toEqual([1, 1]);
    expect(topics.get(DEFAULT_TOPICS.command)).toBe(result.commands);
    expect(topics.get(DEFAULT_TOPICS.forecast)).toBe(result.forecasts);
    expect(topics.get(DEFAULT_TOPICS.overlay)).toBe(result.forecasts);
    expect(topics.get(DEFAULT_TOPICS.chunk)).toBe(result.chunk_latencies_ms.length);
  }, 120_000);

  it('tells by its exit code when the robot did not do it', async () => {
    const out = path.join(folder, 'failed');
    const ended = await run([
      'demo',
      '--count',
      '1',
      '--seed',
      '1',
      ...untrained,
      '--forecaster',
      'static',
      '--out',
      out,
    ]);
    expect([ended.code, ended.err]).toEqual([5, expect.stringMatching(/the object is not in its receptacle/)]);
    expect(existsSync(path.join(out, 'report.html'))).toBe(true);
  }, 60_000);
});
