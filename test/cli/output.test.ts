import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeProgram } from '../../src/cli/main.js';
import { loggedProgress, timeLeft } from '../../src/cli/terminal.js';
import { expectOneError, PROGRAM, run } from './program.js';

let folder: string;
const file = (...parts: string[]): string => path.join(folder, ...parts);
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'cli-output-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const BENCH = ['bench', 'limiter', '--commands', '1000'];

describe('options', () => {
  it('an unknown one is named before those that are missing', async () => {
    const ended = await run(['lift', '--colour', 'x.png']);
    expectOneError(ended, 2, /unknown option '--colour'\n\(Did you mean --color\?\)/);
  });
  it('all that are missing are named at once', async () => {
    const ended = await run(['lift', '--color', 'x.png']);
    expectOneError(ended, 2, /required options '--depth <file>' and '--intrinsics <file>' and '--out <file>' not/);
  });
});

describe('results and notices', () => {
  it('figures go to stdout, as text, as JSON, or as both', async () => {
    const text = await run(BENCH);
    expect([text.code, text.out, text.err]).toEqual([0, expect.stringMatching(/^fr3: \d+ commands per second/), '']);
    const json = await run([...BENCH, '--json', '-']);
    expect(JSON.parse(json.out)).toMatchObject({ arm: 'fr3', commands: 1000 });
    const both = await run([...BENCH, '--json', file('bench.json')]);
    expect(both.out).toMatch(/commands per second/);
    expect(JSON.parse(await readFile(file('bench.json'), 'utf8'))).toMatchObject({ arm: 'fr3' });
  });
  it('--quiet leaves the results and the errors', async () => {
    expect((await run([...BENCH, '--quiet'])).out).toMatch(/commands per second/);
    const made = ['tracks', 'smooth', file('absent.npz'), '--out', file('x.npz'), '--quiet'];
    expectOneError(await run(made), 3, /absent\.npz cannot be read/);
  });
  it('a reader that has seen enough does no harm: files are written all the same', async () => {
    const json = file('after-head.json');
    const [code, err] = await new Promise<[number | null, string]>((resolve, reject) => {
      const child = spawn(process.execPath, [PROGRAM, ...BENCH, '--json', json], { stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      // Its first word finds the pipe closed, as behind `| head -0`.
      child.stdout.destroy();
      child.on('error', reject);
      child.on('exit', (ended) => {
        resolve([ended, said]);
      });
    });
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(await readFile(json, 'utf8'))).toMatchObject({ arm: 'fr3' });
  });
  it('says how long the rest takes, once it is known', () => {
    expect(timeLeft(0, 0, 100)).toBe('?');
    expect(timeLeft(5000, 0, 100)).toBe('?');
    // 10 of 100 in 2 s: 90 more in 18 s.
    expect(timeLeft(2000, 10, 100)).toBe('18 s');
    expect(timeLeft(60_000, 10, 40)).toBe('3 min 0 s');
    expect(timeLeft(60_000, 1, 100)).toBe('1 h 39 min');
    expect(timeLeft(2000, 100, 100)).toBe('0 s');
  });

  it('is a line every minute where nobody sees a bar', () => {
    const lines: string[] = [];
    let now = 0;
    const progress = loggedProgress(
      'episodes',
      '',
      (line) => lines.push(line),
      () => now,
    );
    for (; now <= 125_000; now += 5_000) progress.update(now / 5_000, 100);
    expect(lines).toEqual(['episodes 12/100, 7 min 20 s left', 'episodes 24/100, 6 min 20 s left']);
  });
});

it('predictions without truth are an error, not a table of dashes', async () => {
  const row = { video_id: 'a', gt_future_raw: null, pred_raw_combined: [[[0, 0, 0]]] };
  await writeFile(file('no-truth.jsonl'), `${JSON.stringify(row)}\n`);
  const ended = await run(['evaluate', 'predictions', file('no-truth.jsonl')]);
  expectOneError(ended, 3, /nothing in .*no-truth\.jsonl could be scored/);
  expect(ended.err).toMatch(/line 1 is not scored: it has no truth/);
});

it('a folder that cannot be made is named, and is no fault of the software', async () => {
  await writeFile(file('in-the-way'), '');
  expectOneError(await run(['demo', '--out', file('in-the-way', 'demo')]), 4, /cannot write .*in-the-way\/demo/);
});

describe('results of an earlier run', () => {
  it('a file is replaced only with --overwrite', async () => {
    await writeFile(file('kept.json'), 'mine');
    expectOneError(
      await run([...BENCH, '--json', file('kept.json')]),
      4,
      /kept\.json exists already\. Give --overwrite/,
    );
    expect(await readFile(file('kept.json'), 'utf8')).toBe('mine');
    expect((await run([...BENCH, '--json', file('kept.json'), '--overwrite'])).code).toBe(0);
    expect(JSON.parse(await readFile(file('kept.json'), 'utf8'))).toMatchObject({ arm: 'fr3' });
  });
  it('a folder with something in it is used only with --overwrite', async () => {
    await mkdir(file('full'));
    await writeFile(file('full', 'report.json'), 'mine');
    expectOneError(await run(['demo', '--out', file('full')]), 4, /folder .*full is not empty\. Give --overwrite/);
    expect(await readFile(file('full', 'report.json'), 'utf8')).toBe('mine');
  });
  it('every command that writes has the option', () => {
    const program = makeProgram();
    const hasOverwrite = (path: readonly string[]): boolean =>
      path
        .reduce((command, name) => command.commands.find((sub) => sub.name() === name)!, program)
        .options.some(({ long }) => long === '--overwrite');
    for (const command of [
      ['replay'],
      ['forecast'],
      ['lift'],
      ['tracks', 'smooth'],
      ['evaluate', 'predictions'],
      ['evaluate', 'episodes'],
      ['demo'],
      ['build'],
      ['plan'],
      ['policy'],
      ['point'],
      ['parity'],
      ['bench', 'replay'],
    ])
      expect([command, hasOverwrite(command)]).toEqual([command, true]);
    // It goes on where an earlier run ended, and replaces nothing.
    expect(hasOverwrite(['episodes'])).toBe(false);
  });
});
