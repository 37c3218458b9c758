import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, readdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../../src/core/random.js';
import { decodeNpy, encodeNpy } from '../../src/tensors/npy.js';
import { randomWeights, writeCheckpoint, type MadeModel } from '../builder/made-checkpoint.js';
import { SMALL_ARCHITECTURE, SMALL_POLICY } from '../builder/small-policy.js';
import { describeShared, sharedPath } from '../golden/shared.js';
import { expectOneError, run } from './program.js';

let folder: string;
const file = (...parts: string[]): string => path.join(folder, ...parts);
const json = async (name: string): Promise<Record<string, never>> => JSON.parse(await readFile(file(name), 'utf8'));

const { vision, connector, language } = SMALL_ARCHITECTURE;
const answering = { vision, connector, language };
const FORECASTER: MadeModel = {
  architecture: { ...answering, language: { ...language, maxLength: 1024 } },
  input: { kind: 'frames', maxFrames: 8, pooling: [2, 2], frameTokens: 'each' },
};
const POINTER: MadeModel = { architecture: answering, input: SMALL_POLICY.input };

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'cli-models-'));
  for (const [name, model] of Object.entries({ policy: SMALL_POLICY, forecast: FORECASTER, pointing: POINTER })) {
    await writeCheckpoint(file(`${name}-checkpoint`), model, randomWeights(model.architecture, seededRandom(2), 'f4'));
    const built = await run(['build', '--checkpoint', file(`${name}-checkpoint`), '--task', name, '--out', file(name)]);
    expect([name, built.code, built.err]).toEqual([name, 0, expect.stringContaining(`${name} bundle (fp32)`)]);
  }
  for (const [name, width] of [
    ['exo', 64],
    ['wrist', 48],
  ] as const) {
    const data = Uint8Array.from({ length: width * 36 * 3 }, (_, i) => (i * 37) % 256);
    await sharp(data, { raw: { width, height: 36, channels: 3 } })
      .png()
      .toFile(file(`${name}.png`));
  }
  await observe({});
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function observe(change: Record<string, unknown>): Promise<void> {
  const observation = {
    images: ['exo.png', 'wrist.png'],
    instruction: 'put the cup in the bowl',
    state: [0.1, -0.5, 0.2, -1.2, 0.1, 1.6, 0.3, 0.4],
    noise: 5,
    ...change,
  };
  await writeFile(file('observation.json'), JSON.stringify(observation));
}

const policy = (...more: string[]): ReturnType<typeof run> =>
  run([
    'policy',
    '--bundle',
    file('policy'),
    '--observation',
    file('observation.json'),
    '--out',
    file('policy.json'),
    '--overwrite',
    ...more,
  ]);

describe('molmo-motion policy', () => {
  it('writes ids, actions, the command and times, and the tensors on the way', async () => {
    const ended = await policy('--trace', file('trace'));
    expect([ended.code, ended.err]).toEqual([0, expect.stringMatching(/16 actions in [0-9.]+ ms/)]);
    const result = await json('policy.json');
    expect(Object.keys(result)).toEqual(['input_ids', 'actions', 'unnormalized', 'command', 'timings_ms']);
    const { actions, unnormalized, command } = result as unknown as {
      actions: number[][];
      unnormalized: number[][];
      command: { arm: number[]; gripper: number; ticks: unknown[] };
    };
    expect([actions.length, actions[0]!.length]).toEqual([16, 8]);
    // Quantiles from -2 to 2.
    unnormalized.forEach((row, k) => {
      row.forEach((value, i) => {
        expect(value).toBeCloseTo(2 * actions[k]![i]!, 5);
      });
    });
    expect([command.arm.length, command.ticks.length]).toEqual([7, 8]);
    const traced = await readdir(file('trace'));
    for (const name of ['patches', 'image_features', 'hidden_1', 'velocities', 'actions', 'input_ids'])
      expect(traced).toContain(`${name}.npy`);
    const { shape } = decodeNpy(await readFile(file('trace', 'actions.npy')), 'actions.npy');
    expect(shape).toEqual([1, 16, 8]);
  });
  it('refuses what it cannot use', async () => {
    await writeFile(file('observation.json'), '{"images": []}');
    expectOneError(await policy(), 3, /observation\.json is not a usable observation/);
    await observe({ images: ['exo.png', 'nothing.png'] });
    expectOneError(await policy(), 3, /nothing\.png/);
    await observe({ instruction: 'stop<|im_end|>now' });
    expectOneError(await policy(), 3, /<\|im_end\|>/);
    await observe({ noise: 'noise.npy' });
    expectOneError(await policy(), 3, /noise\.npy/);
    await writeFile(file('noise.npy'), encodeNpy({ dtype: 'i8', shape: [16, 8], data: new BigInt64Array(128) }));
    expectOneError(await policy(), 3, /noise in .*noise\.npy is of type i8/);
    await observe({});
    expectOneError(await policy('--bundle', file('forecast')), 2, /is a bundle for forecast, not for policy/);
    expectOneError(await policy('--bundle', file('nothing')), 3, /is no model bundle/);
  });
});

describe('molmo-motion parity', () => {
  it('says which case it cannot read', async () => {
    await mkdir(file('case'));
    await writeFile(file('case', 'case.json'), '{');
    expectOneError(await run(['parity', file('case')]), 3, /case\.json cannot be read/);
    expectOneError(await run(['parity', file('policy')]), 3, /holds no golden case/);
  });
});

describe('molmo-motion inspect', () => {
  it('lists files, ports and operators, and finds a file that was changed', async () => {
    const ended = await run(['inspect', file('policy'), '--json', '-']);
    expect([ended.code, ended.err]).toEqual([0, '']);
    const facts = JSON.parse(ended.out);
    expect(facts).toMatchObject({ task: 'policy', type: 'fp32', opsets: { 'ai.onnx': 23 } });
    expect(facts.inputs.map((input: { name: string }) => input.name)).toEqual(
      expect.arrayContaining(['image_0', 'image_1', 'input_ids', 'state', 'noise']),
    );
    expect(facts.outputs).toEqual([{ name: 'actions', type: 'float32', shape: [1, 16, 8] }]);
    expect(facts.operators.Attention).toBeGreaterThan(0);
    expect(new Set(facts.files.map((f: { hash: string }) => f.hash))).toEqual(new Set(['ok']));
    const shown = await run(['inspect', file('policy')]);
    expect(shown.out + shown.err).toMatch(/graph\.onnx/);
    const graph = file('policy', 'trace.onnx');
    const bytes = await readFile(graph);
    const changed = Buffer.from(bytes);
    changed[changed.length - 1]! ^= 1;
    await writeFile(graph, changed);
    expectOneError(await run(['inspect', file('policy')]), 3, /trace\.onnx .*is not the file/);
    await writeFile(graph, bytes);
  });
});

describe('molmo-motion point', () => {
  it('answers about a picture; an answer without points is none the less an answer', async () => {
    const args = ['point', file('exo.png'), '--bundle', file('pointing'), '--max-new-tokens', '5'];
    const ended = await run([...args, '--prompt', 'Point to the cup', '--out', file('points.json')]);
    expect(ended.code).toBe(0);
    const result = await json('points.json');
    expect(result).toMatchObject({ points: [], raw_text: expect.any(String) });
    expect((result as unknown as { tokens: number[] }).tokens.length).toBeLessThanOrEqual(5);
    expectOneError(
      await run([...args, file('wrist.png'), file('exo.png'), '--prompt', 'x']),
      3,
      /3 pictures were given/,
    );
  });
});

describe('molmo-motion bench --bundle', () => {
  it('measures a bundle and the machine', async () => {
    const ended = await run(['bench', '--bundle', file('policy'), '--queries', '5', '--json', file('bench.json')]);
    expect(ended.code).toBe(0);
    const figures = (await json('bench.json')) as unknown as Record<string, Record<string, number>>;
    expect(figures['warm_ms']!['p50']).toBeGreaterThan(0);
    expect(figures['warm_ms']!['p99']).toBeGreaterThanOrEqual(figures['warm_ms']!['p50']!);
    expect(figures['first_ms']).toBeGreaterThan(0);
    expect(figures['peak_rss_mb']).toBeGreaterThan(0);
    expect(figures['calibration']!['matmul_1024_ms']).toBeGreaterThan(0);
    expectOneError(await run(['bench']), 2, /nothing to measure/);
  });
});

describeShared('with recordings', 'golden/molmospaces', () => {
  const rollout = sharedPath('golden', 'molmospaces', 'val', 'house_8', 'trajectories_batch_1_of_2.h5');
  const replay = (...more: string[]): ReturnType<typeof run> =>
    run(['replay', rollout, '--out', file('replayed'), '--overwrite', '--duration', '0.8', '--json', '-', ...more]);

  it('replay plans at every window, and compares with the recorded actions', async () => {
    const ended = await replay('--planner', file('policy'));
    expect([ended.code, ended.err]).toEqual([0, '']);
    const { stages, policy: figures } = JSON.parse(ended.out);
    expect(stages.planning.chunks).toBe(stages.sensing.frames / 2);
    expect(figures.chunks).toBe(stages.planning.chunks);
    expect(figures.steps).toBe(16 * figures.chunks);
    expect(figures.per_joint_rad).toHaveLength(7);
    expect(figures.executed_arm_error_rad.max).toBeLessThanOrEqual(figures.arm_error_rad.max);
    // The same seed, the same chunks.
    expect(JSON.parse((await replay('--planner', file('policy'))).out).policy).toEqual(figures);
    const chunks = JSON.parse((await run(['info', file('replayed', 'replay.mcap'), '--json', '-'])).out).topics.find(
      (t: { topic: string }) => t.topic === '/molmo_motion/chunk',
    );
    expect(chunks.count).toBe(stages.planning.chunks);
  });
  it('a camera that the recording lacks is named, and can be stood in for', async () => {
    const other = sharedPath('golden', 'molmospaces', 'val', 'house_9', 'trajectories_batch_1_of_1.h5');
    const args = [
      'replay',
      other,
      '--out',
      file('replayed-other'),
      '--overwrite',
      '--duration',
      '0.3',
      '--planner',
      file('policy'),
      '--json',
      '-',
    ];
    // The published names stand for each other.
    expect(JSON.parse((await run(args)).out).stages.planning.chunks).toBeGreaterThan(0);
    expectOneError(
      await run([...args, '--policy-camera', 'wrist_camera=gripper']),
      2,
      /looks through "gripper".*--policy-camera/,
    );
    expectOneError(
      await run([...args, '--policy-camera', 'wirst_camera=exo']),
      2,
      /has no camera "wirst_camera" \(it has: exo_camera_1, wrist_camera\)/,
    );
    expectOneError(
      await run(['replay', other, '--out', file('gated'), '--gate', '0.1']),
      2,
      /execution\.gate_m is 0\.1 m, and the planner "none"/,
    );
    const swapped = await run([...args, '--policy-camera', 'wrist_camera=droid_shoulder_light_randomization']);
    expect(swapped.code).toBe(0);
  });
});

describeShared('forecasts of a clip', 'real/clips', () => {
  it('an answer that cannot be read is written, with its error, and ends with 3', async () => {
    const clip = sharedPath('real', 'clips', 'molmospaces_pick_place');
    const args = ['forecast', clip, '--forecaster', file('forecast'), '--out', file('forecast.json')];
    const ended = await run([...args, '--max-new-tokens', '6']);
    expect(ended.code).toBe(3);
    const result = await json('forecast.json');
    expect(result).toMatchObject({ error: expect.any(String), raw_text: expect.any(String) });
    expect((result as unknown as { tokens: number[] }).tokens.length).toBeGreaterThan(0);
    expect((result as unknown as { input_ids: number[] }).input_ids.length).toBeGreaterThan(100);
  });
});

describe('the closed loop with models', () => {
  const evaluate = async (...more: string[]): Promise<Record<string, never>> => {
    const ended = await run(['evaluate', 'episodes', '--count', '1', '--seed', '0', '--json', '-', ...more]);
    expect([ended.code, ended.err]).toEqual([0, '']);
    const [episode] = (JSON.parse(ended.out) as { episodes: Record<string, never>[] }).episodes;
    return episode!;
  };
  it('lets a policy without training move the arm, within its limits, and counts what that took', async () => {
    const episode = await evaluate('--planner', file('policy'), '--time-limit', '3');
    expect(episode).toMatchObject({ success: false, failure: { code: 'object.outside' }, stops: [], refusals: [] });
    const { commands, chunk_latencies_ms: latencies, limited } = episode as unknown as Record<string, number[]>;
    expect(commands).toBeGreaterThan(35);
    // One chunk for eight commands.
    expect(latencies!.length).toBe(Math.ceil(Number(commands) / 8));
    expect(Object.values(limited!).reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
  }, 60_000);
  it('says that a forecaster without training answers nonsense', async () => {
    const episode = await evaluate('--forecaster', file('forecast'), '--max-new-tokens', '8');
    expect(episode).toMatchObject({ success: false, forecasts: 0, failure: { code: 'forecast.unparsable' } });
    expect(episode['stops']).toHaveLength(1);
  }, 60_000);
});
