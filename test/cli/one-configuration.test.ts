import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeCdr } from '../../src/bus/cdr.js';
import { invert, transformPoint } from '../../src/geometry/transform.js';
import { DEFAULT_TOPICS } from '../../src/node/topics.js';
import { openRecording } from '../../src/recordings/open-recording.js';
import { drawScene } from '../../src/simulator/draw-scene.js';
import { loadSceneConfig } from '../../src/simulator/scene-config.js';
import { run } from './program.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'one-configuration-'));
});
afterAll(() => rm(folder, { recursive: true }));

const SEED = 0;

/** Where the object of the scene is in the picture of the first camera. */
async function objectPixel(): Promise<string> {
  const { cameras, objects, task } = drawScene(await loadSceneConfig(), SEED);
  const camera = cameras[0]!;
  const [x, y, z] = transformPoint(invert(camera.pose), objects.find(({ name }) => name === task.object)!.position);
  const focal = camera.height / 2 / Math.tan((camera.verticalFovDeg * Math.PI) / 360);
  return [camera.width / 2 + (focal * x) / z, camera.height / 2 + (focal * y) / z].map(Math.round).join(',');
}

async function forecasts(file: string): Promise<unknown[]> {
  const recording = await openRecording(file, {});
  const found: unknown[] = [];
  for await (const { topic, type, content } of recording.messages())
    if (topic === DEFAULT_TOPICS.forecast)
      found.push(content instanceof Uint8Array ? decodeCdr(type, content) : content);
  await recording.close();
  return found;
}

it('one YAML file drives a simulated episode and a replay of it, and gives the same forecasts as the flags do', async () => {
  const pixel = await objectPixel();
  const yaml = path.join(folder, 'robot.yaml');
  await writeFile(
    yaml,
    `
grounding:
  clicks: [{ camera: exo_camera_1, pixel: [${pixel}] }]
  repeat_clicks: true
forecasting:
  forecaster: extrapolate
  options: { steps: 12 }
  period_s: 0.4
planning:
  planner: none
`,
  );
  const flags = [
    ...['--click', `exo_camera_1:${pixel}`, '--set', 'grounding.repeat_clicks=true'],
    ...['--forecaster', 'extrapolate', '--steps', '12', '--period', '0.4', '--planner', 'none'],
  ];
  const simulated = async (out: string, ...given: string[]): Promise<string> => {
    const scene = ['--count', '1', '--seed', `${SEED}`, '--scene', 'config/scenes/tabletop.yaml', '--time-limit', '2'];
    // Nothing is planned, so that the object stays where it is: the episode fails, as it should.
    expect((await run(['demo', ...scene, ...given, '--out', path.join(folder, out)])).code).toBe(5);
    return path.join(folder, out, `episode_${SEED}.mcap`);
  };
  const replayed = async (recording: string, out: string, ...given: string[]): Promise<string> => {
    expect((await run(['replay', recording, ...given, '--out', path.join(folder, out)])).code).toBe(0);
    return path.join(folder, out, 'replay.mcap');
  };
  const episode = await simulated('simulated-by-flags', ...flags);
  const ofEpisode = await forecasts(episode);
  expect(ofEpisode.length).toBeGreaterThanOrEqual(4);
  expect(await forecasts(await simulated('simulated-by-file', '--config', yaml))).toEqual(ofEpisode);

  const ofReplay = await forecasts(await replayed(episode, 'replayed-by-flags', ...flags));
  expect(ofReplay.length).toBeGreaterThanOrEqual(4);
  expect(await forecasts(await replayed(episode, 'replayed-by-file', '--config', yaml))).toEqual(ofReplay);
  // A flag goes before the file, and changes what is forecast.
  const other = await forecasts(await replayed(episode, 'replayed-by-both', '--config', yaml, '--steps', '6'));
  expect(other).not.toEqual(ofReplay);
}, 120_000);
