import { Command } from 'commander';
import { loadConfig } from '../../assembly/config/load-config.js';
import { modelsOf } from '../../assembly/model-source.js';
import { ConfigurationError } from '../../core/errors.js';
import { loadArm } from '../../files/arm-file.js';
import { installedPath } from '../../core/installed-path.js';
import { loadSceneConfig } from '../../simulator/scene-config.js';
import { DEFAULT_DRAFT } from '../../inference/networks.js';
import { countingNumber, draftLength, positiveNumber } from '../arguments.js';
import { benchBundle, type BundleFigures } from '../benchmarks/bundle.js';
import { benchLimiter } from '../benchmarks/limiter.js';
import { benchSimulator, type Pace } from '../benchmarks/simulator.js';
import { reportResult } from '../json-report.js';
import { benchReplay } from '../benchmarks/replay.js';
import { modelOptions, withModelOptions, type ModelCommandOptions } from '../model-options.js';
import { print } from '../terminal.js';

interface BundleBenchCommandOptions extends ModelCommandOptions {
  readonly bundle?: string;
  readonly queries: number;
  readonly maxNewTokens: number;
  readonly draft: number | 'off';
  readonly json?: string;
}

interface ReplayBenchOptions {
  readonly seconds: number;
  readonly rate: number;
  readonly raw?: boolean;
  readonly json?: string;
}

/** Enough for a 99th percentile that is not just the slowest one. */
const DEFAULT_QUERIES = 100;
const DEFAULT_TOKENS = 64;

export function benchCommand(): Command {
  return withModelOptions(
    new Command('bench')
      .description(
        'measure speed and memory: of a model bundle, of the replay of a recording, of the limiter, or of the simulator',
      )
      .option('--bundle <dir>', 'time queries of this bundle, with a 15 Hz timer beside them')
      .option('--queries <n>', 'timed queries', countingNumber, DEFAULT_QUERIES)
      .option(
        '--max-new-tokens <n>',
        'longest answer of a bundle that answers in tokens',
        countingNumber,
        DEFAULT_TOKENS,
      )
      .option('--draft <n|off>', 'tokens that are guessed in a pass of such a bundle', draftLength, DEFAULT_DRAFT)
      .option('--json <file>', 'write the figures of any of these as JSON too; - for stdout, in place of the text'),
  )
    .action(runBundle)
    .addCommand(replayBench())
    .addCommand(limiterBench())
    .addCommand(simulatorBench());
}

async function runBundle(options: BundleBenchCommandOptions): Promise<void> {
  if (options.bundle === undefined) {
    throw new ConfigurationError({
      code: 'bench.what',
      message: 'nothing to measure was named',
      remedy: 'give --bundle DIR, or: molmo-motion bench replay, bench limiter, or bench simulator',
    });
  }
  const figures = await benchBundle({
    folder: options.bundle,
    model: modelOptions(options),
    queries: options.queries,
    maxNewTokens: options.maxNewTokens,
    draft: options.draft,
  });
  await reportResult(options.json, figures, () => {
    show(figures);
  });
}

function show(figures: BundleFigures): void {
  const { warm_ms: warm, timer_jitter_ms: jitter, calibration, decoding } = figures;
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  print(`${figures.task}, ${figures.type} weights, on ${figures.provider}`);
  print(`loaded in ${ms(figures.load_ms)}, first query ${ms(figures.first_ms)}, peak memory ${figures.peak_rss_mb} MB`);
  print(`warm, ${figures.queries} queries: p50 ${ms(warm.p50)}, p95 ${ms(warm.p95)}, p99 ${ms(warm.p99)}`);
  if (decoding) {
    const { tokens, passes, accepted_tokens: accepted, prompt_ms: prompt, ms_per_pass: pass } = decoding;
    print(
      `${tokens} tokens an answer in ${passes} passes (${accepted} guessed rightly); the prompt's pass takes ${ms(prompt)}${pass === null ? '' : `, each other ${ms(pass)}`}`,
    );
  }
  print(
    `15 Hz timer of the main thread meanwhile, late by: p50 ${ms(jitter.p50)}, p99 ${ms(jitter.p99)}, most ${ms(jitter.max)} (${jitter.ticks} ticks)`,
  );
  print(
    `1024x1024x1024 float32 product: ${ms(calibration.matmul_1024_ms)}; a query is ${(warm.p50 / calibration.matmul_1024_ms).toFixed(2)} of these`,
  );
}

function replayBench(): Command {
  return new Command('replay')
    .description(
      'make a two-camera 640x360 RGB-D MCAP, replay it without a model, and check that every message was processed',
    )
    .option('--seconds <n>', 'length of the recording', positiveNumber, 60)
    .option('--rate <hz>', 'pictures per second of each camera', countingNumber, 15)
    .option('--raw', 'raw pictures instead of JPEG and compressedDepth (2 GB a minute, copied once)')
    .action(async (_: unknown, command: Command) => {
      const { seconds, rate, raw, json } = command.optsWithGlobals<ReplayBenchOptions>();
      const figures = await benchReplay({ seconds, rateHz: rate, compressed: !raw });
      await reportResult(json, figures, () => {
        for (const [name, value] of Object.entries(figures)) print(`${name}: ${String(value)}`);
      });
    });
}

interface LimiterBenchOptions {
  readonly arm: string;
  readonly commands: number;
  readonly json?: string;
}

function limiterBench(): Command {
  return new Command('limiter')
    .description('commands that the limiter takes in a second')
    .option('--arm <name>', 'fr3, panda, or a YAML file with the limits of another arm', 'fr3')
    .option('--commands <n>', 'commands to limit', countingNumber, 1_000_000)
    .action(async (_: unknown, command: Command) => {
      const { arm, commands, json } = command.optsWithGlobals<LimiterBenchOptions>();
      const figures = benchLimiter(await loadArm(arm), commands);
      const { mean, p99, max } = figures.call_us;
      await reportResult(json, figures, () => {
        print(
          `${figures.arm}: ${figures.commands_per_second} commands per second; a call takes ${mean} us (p99 ${p99}, most ${max})`,
        );
      });
    });
}

interface SimulatorBenchOptions {
  readonly scenes: number;
  readonly scene?: string;
  readonly json?: string;
}

function simulatorBench(): Command {
  return new Command('simulator')
    .description(
      'how much faster than real time, on one core: the scripted expert seen by all cameras, its recording, and the closed loop',
    )
    .option('--scenes <n>', 'scenes to do', countingNumber, 5)
    .option('--scene <file>', `description of the scenes (default: ${installedPath('config/scenes/tabletop.yaml')})`)
    .action(async (_: unknown, command: Command) => {
      const { scenes, scene, json } = command.optsWithGlobals<SimulatorBenchOptions>();
      const [fr3, described] = await Promise.all([loadArm('fr3'), loadSceneConfig(scene)]);
      const { config } = await loadConfig({ preset: 'simulator' });
      const models = modelsOf(config);
      const figures = await benchSimulator(fr3, described, scenes, config, models);
      await reportResult(json, figures, () => {
        showPace('expert', figures.expert, scenes);
        showPace('recording', figures.recording, scenes);
        showPace('closed loop', figures.closed_loop, scenes);
      });
    });
}

function showPace(
  what: string,
  { simulated_s: s, wall_s: wall, times_real_time: times, succeeded, step_ms: ms }: Pace,
  scenes: number,
): void {
  const parts = Object.entries(ms).map(([name, value]) => `${name.replace('_', ' ')} ${value} ms`);
  print(
    `${what}: ${s.toFixed(0)} s in ${wall.toFixed(1)} s, ${times.toFixed(2)} times real time, ${succeeded} of ${scenes} objects in place; a control step takes ${parts.join(', ')}`,
  );
}
