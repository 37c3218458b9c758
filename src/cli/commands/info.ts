import { Command } from 'commander';
import { loadConfig } from '../../assembly/config/load-config.js';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { InputError } from '../../core/errors.js';
import { toSeconds } from '../../core/time.js';
import { openRecording } from '../../recordings/open-recording.js';
import type { Recording, RecordingProblem } from '../../recordings/recording.js';
import { lookUp, type Lookup } from '../../runs/config-lookup.js';
import { examine, type Examined } from '../../runs/examination.js';
import { wholeNumber } from '../arguments.js';
import { configSources, withConfigFile, type ConfigCommandOptions } from '../config-options.js';
import { interruptible } from '../interruption.js';
import { reportResult } from '../json-report.js';
import { print, printTable, progressBar } from '../terminal.js';

interface TopicFacts {
  readonly topic: string;
  readonly type: string;
  readonly count: number;
  readonly rate_hz: number | null;
  readonly usable: boolean;
}

interface RecordingFacts {
  readonly path: string;
  readonly kind: Recording['kind'];
  readonly start_ns: string | null;
  readonly duration_s: number;
  readonly messages: number;
  readonly topics: readonly TopicFacts[];
  readonly cameras: readonly {
    readonly camera: string;
    readonly color: string;
    readonly depth: string | null;
    readonly info: string;
  }[];
  readonly instruction: string | null;
  readonly point_tracks: { readonly camera: string; readonly points: number; readonly frames: number } | null;
  /** What the configuration names, found or missing. */
  readonly configured: readonly Lookup[];
  readonly problems: readonly RecordingProblem[];
}

interface InfoOptions extends Pick<ConfigCommandOptions, 'config' | 'set' | 'remap'> {
  readonly trajectory?: number;
  readonly strict?: boolean;
  readonly json?: string;
}

export function infoCommand(): Command {
  const command = new Command('info')
    .description('what is in a recording; every message is read once and examined as a replay would')
    .argument('<recording>', 'MCAP file or rosbag2 directory, MolmoSpaces .h5, or clip directory')
    .option('--trajectory <n>', 'trajectory of a MolmoSpaces file', wholeNumber);
  return withConfigFile(command)
    .option('--strict', 'end with exit code 3 when anything in the recording cannot be used')
    .option('--json <file>', 'write the facts as JSON; - for stdout')
    .action(run);
}

async function run(path: string, options: InfoOptions): Promise<void> {
  const recording = await openRecording(path, { trajectory: options.trajectory });
  try {
    const loaded = await loadConfig(configSources(options, { preset: 'replay' }));
    const examined = await examineHere(recording, loaded.config);
    const facts = factsOf(recording, examined, await lookUp(loaded, recording.topics, examined));
    await reportResult(options.json, facts, () => {
      show(facts);
    });
    refuseMissing(path, facts);
    if (options.strict) refuseProblems(path, facts);
  } finally {
    await recording.close();
  }
}

async function examineHere(recording: Recording, config: NodeConfig): Promise<Examined> {
  const bar = progressBar('reading');
  return interruptible((signal) => examine(recording, config, { signal, onProgress: bar.update })).finally(bar.stop);
}

function factsOf(recording: Recording, examined: Examined, configured: readonly Lookup[]): RecordingFacts {
  const [start, end] = recording.timeRange ?? [0n, 0n];
  return {
    path: recording.path,
    kind: recording.kind,
    start_ns: recording.timeRange ? start.toString() : null,
    duration_s: toSeconds(end - start),
    messages: [...examined.topics.values()].reduce((sum, { count }) => sum + count, 0),
    topics: recording.topics.map(({ topic, type, count, usable }) => {
      const times = examined.topics.get(topic);
      const span = times ? toSeconds(times.last - times.first) : 0;
      return {
        topic,
        type,
        // Messages that are of no use are not read: the file's own count tells how many there are.
        count: times?.count ?? count,
        rate_hz: times && span > 0 ? (times.count - 1) / span : null,
        usable,
      };
    }),
    cameras: examined.cameras.map(({ camera, color, depth, info }) => ({
      camera,
      color: color.topic,
      depth: depth?.topic ?? null,
      info,
    })),
    instruction: examined.instruction,
    point_tracks: recording.tracks && {
      camera: recording.tracks.camera,
      points: recording.tracks.positions[0]?.length ?? 0,
      frames: recording.tracks.stamps.length,
    },
    configured,
    problems: examined.problems,
  };
}

/** @throws InputError `info.missing` where the configuration names what the recording does not hold. */
function refuseMissing(path: string, { configured }: RecordingFacts): void {
  const missing = configured.filter(({ found }) => !found);
  if (missing.length === 0) return;
  throw new InputError({
    code: 'info.missing',
    message: `${path} lacks what the configuration names: ${missing.map(({ setting, name }) => `${setting} ${name}`).join('; ')}`,
    remedy: 'change these settings to what the recording holds, or record these too',
  });
}

/** @throws InputError `info.problems`. */
function refuseProblems(path: string, facts: RecordingFacts): void {
  const problems = facts.problems.filter(({ kind }) => kind === 'problem');
  if (problems.length === 0) return;
  throw new InputError({
    code: 'info.problems',
    message: `${path} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}: ${problems.map(({ message }) => message).join('; ')}`,
    remedy: 'mend the recording, or leave out --strict to go on without what cannot be used',
  });
}

function show(facts: RecordingFacts): void {
  print(`${facts.path}: ${facts.kind}, ${facts.messages} messages, ${facts.duration_s.toFixed(3)} s`);
  printTable(
    ['topic', 'type', 'messages', 'Hz', ''],
    facts.topics.map(({ topic, type, count, rate_hz, usable }) => [
      topic,
      type,
      count,
      rate_hz?.toFixed(1) ?? '',
      usable ? '' : 'not used',
    ]),
  );
  for (const { camera, color, depth } of facts.cameras)
    print(`camera ${camera}: ${color}${depth === null ? ', without depth' : ` with ${depth}`}`);
  if (facts.instruction !== null) print(`instruction: ${facts.instruction}`);
  if (facts.point_tracks)
    print(
      `point tracks: ${facts.point_tracks.points} points over ${facts.point_tracks.frames} frames, seen by ${facts.point_tracks.camera}`,
    );
  for (const { setting, name, found } of facts.configured) print(`${found ? 'found' : 'missing'}: ${setting} ${name}`);
  if (facts.configured.length > 0 && facts.configured.every(({ found }) => found))
    print('everything that the configuration names is found');
  for (const { kind, message, count } of facts.problems)
    print(`${kind}${count > 1 ? `, ${count} times` : ''}: ${message}`);
  if (facts.problems.length === 0) print('no problem found');
}
