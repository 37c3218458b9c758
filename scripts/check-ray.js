// Plays an evaluation under a real Ray, whole and with a worker that dies in the middle, and compares both with one run: npm run test:ray
// Python with Ray is `python3`, or what MOLMO_RAY_PYTHON names. Where it is not there, this says so and is over.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const program = path.join(root, 'bin/molmo-motion.js');
const python = process.env.MOLMO_RAY_PYTHON ?? 'python3';
const say = (text) => process.stdout.write(`${text}\n`);

if (spawnSync(python, ['-c', 'import ray']).status !== 0) {
  say(`skipped: ${python} has no ray (pip install ray, or name another Python in MOLMO_RAY_PYTHON)`);
  process.exit(0);
}

const COUNT = '4';
const folder = mkdtempSync(path.join(tmpdir(), 'molmo-motion-ray-'));
const inFolder = (name) => path.join(folder, name);

function run(command, args) {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, RAY_AUTH_MODE: 'disabled' } });
  if (done.status !== 0) throw new Error(`${command} ended with ${done.status}: ${done.stderr.slice(-2000)}`);
}

/** A report without what was measured in time. */
function timeless(file) {
  const times = new Set(['wall_s', 'times_real_time', 'spent_ms', 'chunk_latency_ms', 'chunk_latencies_ms']);
  return JSON.stringify(JSON.parse(readFileSync(file, 'utf8'), (key, value) => (times.has(key) ? undefined : value)));
}

function underRay(name, start) {
  const driver = path.join(root, 'deploy/ray/evaluate.py');
  run(python, [
    driver,
    '--shards',
    '4',
    '--out',
    inFolder(name),
    '--program',
    start,
    '--',
    '--count',
    COUNT,
    '--quiet',
  ]);
  const isSame = timeless(inFolder(`${name}/report.json`)) === timeless(inFolder('whole.json'));
  say(`${name}: ${isSame ? 'the report of one run' : 'another report than that of one run'}`);
  if (!isSame) process.exitCode = 1;
}

try {
  run(process.execPath, [program, 'evaluate', 'episodes', '--count', COUNT, '--json', inFolder('whole.json')]);
  underRay('two-workers', `${process.execPath} ${program}`);
  // The first attempt at shard 2 kills the Ray worker that has started it.
  const start = inFolder('start.sh');
  const marker = inFolder('died');
  writeFileSync(
    start,
    `case "$*" in *"--shard 2/4"*) [ -e ${marker} ] || { touch ${marker}; kill -9 $PPID; exit 1; } ;; esac\nexec ${process.execPath} ${program} "$@"\n`,
  );
  underRay('a-worker-died', `/bin/sh ${start}`);
  readFileSync(marker);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
