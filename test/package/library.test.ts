import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/**
 * The package as its users get it: the tarball of `npm pack`, unpacked in an empty folder. Its dependencies are those of this checkout; that npm can
 * install them there too takes longer, and is checked by `npm run test:package`.
 */

const execute = promisify(execFile);
const CHECKOUT = path.resolve(import.meta.dirname, '../..');
const TSC = path.join(CHECKOUT, 'node_modules/typescript/bin/tsc');
/** Bytes. Today 24 MB, of which 20 MB are the nano models and 3.2 MB the demo recording. */
const LARGEST_TARBALL = 26e6;

let folder: string;
let installed: string;
let tarballBytes: number;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'consumer-')));
  await execute('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: CHECKOUT });
  const tarball = path.join(
    folder,
    (await readdir(folder)).find((name) => name.endsWith('.tgz'))!,
  );
  tarballBytes = (await stat(tarball)).size;
  installed = path.join(folder, 'node_modules/molmo_motion_planner');
  await mkdir(installed, { recursive: true });
  await execute('tar', ['xzf', tarball, '--strip-components=1', '-C', installed]);
  await symlink(path.join(CHECKOUT, 'node_modules'), path.join(installed, 'node_modules'));
  await mkdir(path.join(folder, 'node_modules/@types'));
  await symlink(path.join(CHECKOUT, 'node_modules/@types/node'), path.join(folder, 'node_modules/@types/node'));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program of Node.js in the consumer's folder. */
async function runNode(...args: readonly string[]): Promise<Ended> {
  const options = { cwd: folder, env: { ...process.env, NODE_OPTIONS: '' } };
  try {
    const { stdout, stderr } = await execute(process.execPath, [...args], options);
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

describe('the tarball', () => {
  it('holds what a user needs, and no more', async () => {
    expect(tarballBytes).toBeLessThan(LARGEST_TARBALL);
    expect((await readdir(installed)).sort()).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'bin', 'config', 'demo-data', 'dist', 'docs', 'msg', 'scripts']),
    );
    expect(await readdir(path.join(installed, 'scripts'))).toEqual(['skip-cuda-download.js']);
  });

  it('has the commands, whose hints name files where they are installed', async () => {
    const program = path.join(installed, 'bin/molmo-motion.js');
    const info = await runNode(program, 'info', path.join(installed, 'demo-data/tabletop.mcap'));
    expect([info.code, info.err]).toEqual([0, '']);
    await writeFile(path.join(folder, 'scene.yaml'), 'objects: 3\n');
    const refused = await runNode(program, 'demo', '--scene', 'scene.yaml');
    expect(refused.code).toBe(2);
    const [hint] = /node_modules\/molmo_motion_planner\/config\/scenes\/tabletop\.yaml/.exec(refused.err)!;
    expect((await stat(path.join(folder, hint))).isFile()).toBe(true);
  });
});

describe('docs/library.md', () => {
  it('lists names that exist, and programs that compile and do what they say', async () => {
    const programs = programsIn(await docs());
    expect([...programs.keys()]).toEqual(['recording.ts', 'limiter.ts', 'plan.ts', 'assembly.ts']);
    for (const [name, text] of programs) await writeFile(path.join(folder, name), text);
    const names = namesIn(await docs());
    expect(names.length).toBeGreaterThan(40);
    const exported = `export type { ${names.join(', ')} } from 'molmo_motion_planner';`;
    await writeFile(path.join(folder, 'names.ts'), exported);
    expect(await compile('names.ts', ...programs.keys())).toBe('');
    const demo = path.join(installed, 'demo-data/tabletop.mcap');
    const [recording, limiter, plan, assembly] = await Promise.all([
      runNode('recording.js', demo),
      runNode('limiter.js'),
      runNode('plan.js'),
      runNode('assembly.js', demo),
    ]);
    // The demo recording has one instruction among its eleven topics.
    expect(recording).toEqual({
      code: 0,
      out: 'mcap of 11 topics\n/instruction: Put the red cube in the blue bowl\n',
      err: '',
    });
    // From -0 to 0.5 rad.
    expect(limiter).toEqual({
      code: 0,
      out: expect.stringMatching(/^joint 1 is at 0\.500 rad after \d\.\d\d s\n$/),
      err: '',
    });
    // 30 steps of 1/15 s at 0.1 m/s are 20 cm.
    expect(plan).toEqual({ code: 0, out: expect.stringMatching(/^the tool rises 20 cm in \d+ commands\n$/), err: '' });
    // Three clicks are recorded, each of which asks for a forecast of eight points.
    expect(assembly).toEqual({
      code: 0,
      out: 'exo_camera_1: 8 points, Put the red cube in the blue bowl\n'.repeat(3),
      err: '',
    });
  }, 60_000);
});

/** What the compiler says against programs in the consumer's folder; they become JavaScript beside them. */
async function compile(...programs: readonly string[]): Promise<string> {
  const options =
    '--strict --target ES2023 --module NodeNext --moduleResolution NodeNext --skipLibCheck false --types node';
  const { code, out } = await runNode(TSC, ...options.split(' '), ...programs);
  return code === 0 ? '' : out;
}

async function docs(): Promise<string> {
  return readFile(path.join(CHECKOUT, 'docs/library.md'), 'utf8');
}

/** By file name, which stands behind the language of a code block. */
function programsIn(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^```ts (\S+)\n(.*?)^```$/gms)].map(([, name, program]) => [name!, program!]));
}

/** The names in the table of what is public. */
function namesIn(text: string): readonly string[] {
  const rows = text.split('\n').filter((line) => /^\| [a-z]/.test(line));
  const fields = ['code', 'message', 'remedy'];
  return rows
    .flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, name]) => name!))
    .filter((name) => !fields.includes(name));
}
