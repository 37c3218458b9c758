import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RolloutRecording } from '../../src/recordings/molmospaces/rollout-recording.js';
import { policyExample } from '../../src/recordings/molmospaces/policy-example.js';
import { expectOneError, run } from './program.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'cli-episodes-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SEED = 10;
const make = (out: string, ...more: string[]): ReturnType<typeof run> =>
  run(['episodes', '--seed', String(SEED), '--out', path.join(folder, out), ...more]);

async function hashes(out: string): Promise<Record<string, string>> {
  const files = (await readdir(path.join(folder, out), { recursive: true, withFileTypes: true })).filter((f) =>
    f.isFile(),
  );
  const entries = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const file = path.join(parentPath, name);
      return [
        path.relative(path.join(folder, out), file),
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
      ] as const;
    }),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

it('records episodes that readers of MolmoSpaces accept, the same to the byte on one thread or two', async () => {
  const ended = await make('two', '--count', '2', '--jobs', '2');
  expect([ended.code, ended.err]).toEqual([0, expect.stringMatching(/2 of 2 episodes/)]);
  // Half of it, and then the rest.
  expect((await make('one', '--count', '1', '--jobs', '1')).code).toBe(0);
  expect((await make('one', '--count', '2', '--jobs', '1')).code).toBe(0);
  expect(await hashes('one')).toEqual(await hashes('two'));

  const recording = await RolloutRecording.open(
    path.join(folder, 'two', `house_${SEED}`, 'trajectories_batch_1_of_1.h5'),
  );
  const { rollout, tracks, commands } = recording;
  expect(recording.instruction).toMatch(/ the \w+ \w+/);
  expect(rollout.cameras.map(({ name }) => name)).toEqual(['exo_camera_1', 'wrist_camera']);
  expect(rollout.stepS).toBeCloseTo(1 / 15, 6);
  // The moved object goes up and comes down somewhere else.
  expect(tracks!.positions).toHaveLength(rollout.steps);
  const way = tracks!.positions.map((row) => row[0]!);
  expect(Math.hypot(...way.at(-1)!.map((x, i) => x - way[0]![i]!))).toBeGreaterThan(0.05);
  expect(tracks!.visible.flat().filter(Boolean).length).toBeGreaterThan(1000);
  // The command after an observation is where the arm goes from there.
  const example = policyExample(rollout, 30, 16);
  expect(example.actions[0]!.slice(0, 7)).toEqual(commands.actions[30]!.slice(0, 7).map(Math.fround));
  example.actions[0]!.slice(0, 7).forEach((q, j) => {
    expect(Math.abs(q - example.state[j]!)).toBeLessThan(0.2);
  });
  let pictures = 0;
  for await (const { topic } of recording.messages()) if (topic.endsWith('image_raw')) pictures++;
  // Two cameras, colour and depth.
  expect(pictures).toBe(4 * rollout.steps);
  expect(recording.problems).toEqual([]);

  const summary = JSON.parse(await readFile(path.join(folder, 'two', `house_${SEED}`, 'episode.json'), 'utf8'));
  const named = summary.receptacles.filter(({ label }: { label: string }) => summary.instruction.includes(label));
  expect(named).toHaveLength(1);
  // Nothing stands nearer to the arm than the table's part that is drawn from.
  expect(Math.hypot(named[0].position[0], named[0].position[1])).toBeGreaterThan(0.3);

  const { stats, ...statistics } = JSON.parse(await readFile(path.join(folder, 'two', 'statistics.json'), 'utf8'));
  expect(statistics).toMatchObject({ episodes: 2, succeeded: 2, failures: [] });
  for (const name of ['observation.state', 'action']) {
    expect(stats[name].q01).toHaveLength(8);
    stats[name].q01.forEach((low: number, i: number) => {
      expect(low).toBeLessThanOrEqual(stats[name].q99[i]);
      expect(stats[name].mean[i]).toBeGreaterThanOrEqual(stats[name].min[i]);
    });
  }
  expect(stats.action.max[7]).toBe(255);
}, 180_000);

it('does not take a damaged episode for one that is there', async () => {
  const summary = path.join(folder, 'damaged', `house_${SEED}`, 'episode.json');
  await mkdir(path.dirname(summary), { recursive: true });
  for (const [content, message] of [
    ['{', /episode\.json cannot be read/],
    ['{"seed": 10}', /episode\.json is not the summary of an episode: .*instruction/],
  ] as const) {
    await writeFile(summary, content);
    expectOneError(await make('damaged', '--count', '1'), 3, message);
  }
});

it('says what is wrong with a scene', async () => {
  const scene = path.join(folder, 'scene.yaml');
  await writeFile(scene, 'objects: none');
  expectOneError(await make('none', '--count', '1', '--scene', scene), 2, /scene\.yaml does not describe a scene/);
  expectOneError(await make('none', '--count', '1', '--scene', path.join(folder, 'nothing.yaml')), 2, /nothing\.yaml/);
});

it('writes moments for training, of the phases that are asked for, and goes on where it was', async () => {
  const moments = (...more: string[]): ReturnType<typeof run> =>
    make('moments', '--moments', '--stride', '20', '--detours', '0', ...more);
  expectOneError(await moments('--count', '1', '--phases', 'lift,fly'), 2, /"fly" is no phase; the phases are/);
  const ended = await moments('--count', '1', '--phases', 'lift,preplace,place');
  expect([ended.code, ended.err]).toEqual([0, expect.stringMatching(/[1-9]\d* moments of 1 of 1 episodes/)]);
  const file = path.join(folder, 'moments', `house_${SEED}`, 'moments.json');
  const written = await readFile(file, 'utf8');
  const phases = new Set(JSON.parse(written).moments.map(({ phase }: { phase: string }) => phase));
  expect([...phases].every((phase) => ['lift', 'preplace', 'place'].includes(phase as string))).toBe(true);
  expect((await moments('--count', '1')).code).toBe(0);
  expect(await readFile(file, 'utf8')).toBe(written);
}, 120_000);
