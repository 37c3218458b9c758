import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../runs/replay-report.js';
import { writeTabletop } from '../../recordings/synthetic/write-tabletop.js';

export interface ReplayBenchmarkOptions {
  readonly seconds: number;
  readonly rateHz: number;
  readonly compressed: boolean;
}

export interface ReplayBenchmark {
  readonly recording_s: number;
  readonly recording_mb: number;
  readonly messages_written: number;
  readonly messages_processed: number;
  readonly forecasts: number;
  readonly wall_s: number;
  readonly times_real_time: number;
  readonly peak_rss_mb: number;
}

const WIDTH = 640;
const HEIGHT = 360;
const PROGRAM = fileURLToPath(new URL('../../../bin/molmo-motion.js', import.meta.url));

/** Replays in a process of its own, so that making the recording does not count in time or memory. @throws when a message was lost. */
export async function benchReplay({ seconds, rateHz, compressed }: ReplayBenchmarkOptions): Promise<ReplayBenchmark> {
  const folder = await mkdtemp(path.join(tmpdir(), 'molmo-motion-bench-'));
  try {
    const recording = path.join(folder, 'recording.mcap');
    const clicksAtS = Array.from({ length: Math.ceil(seconds / 10) }, (_, i) => i * 10 + 1);
    const written = await writeTabletop(recording, {
      seconds,
      rateHz,
      width: WIDTH,
      height: HEIGHT,
      compressed,
      repeatS: 1,
      clicksAtS,
    });
    const out = path.join(folder, 'out');
    await run([PROGRAM, 'replay', recording, '--out', out, '--forecaster', 'static']);
    const report = JSON.parse(await readFile(path.join(out, 'report.json'), 'utf8')) as ReplayReport;
    if (report.messages.total !== written)
      throw new Error(`${written} messages were written, but ${report.messages.total} processed`);
    return {
      recording_s: seconds,
      recording_mb: Math.round((await stat(recording)).size / 1e6),
      messages_written: written,
      messages_processed: report.messages.total,
      forecasts: report.stages.forecasting.forecasts,
      wall_s: report.wall_s,
      times_real_time: report.times_real_time,
      peak_rss_mb: report.peak_rss_mb,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the replay ended with code ${code ?? 'none'}: ${errors}`));
    });
  });
}
