import { Command } from 'commander';
import { CancelledError, PlannerError } from '../../core/errors.js';
import { fromTimeMessage, toSeconds, type Nanoseconds } from '../../core/time.js';
import { findCameras } from '../../node/camera-topics.js';
import { openRecording } from '../../recordings/open-recording.js';
import { ProblemLog, type RecordedMessage, type Recording, type RecordingProblem } from '../../recordings/recording.js';
import { wholeNumber } from '../arguments.js';
import { interruptible } from '../interruption.js';
import { print, printJson, printTable, progressBar } from '../terminal.js';
import { examineMessage, messageOf } from './examine-message.js';

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
  readonly problems: readonly RecordingProblem[];
}

export function infoCommand(): Command {
  return new Command('info')
    .description('what is in a recording; every message is read once and examined as the stages would')
    .argument('<recording>', 'MCAP file or rosbag2 directory, MolmoSpaces .h5, or clip directory')
    .option('--trajectory <n>', 'trajectory of a MolmoSpaces file', wholeNumber)
    .option('--json', 'print the facts as JSON')
    .action(async (path: string, options: { readonly trajectory?: number; readonly json?: boolean }) => {
      const recording = await openRecording(path, { trajectory: options.trajectory });
      try {
        const facts = await interruptible((signal) => examine(recording, signal));
        if (options.json) printJson(facts);
        else show(facts);
      } finally {
        await recording.close();
      }
    });
}

async function examine(recording: Recording, signal: AbortSignal): Promise<RecordingFacts> {
  const found = new ProblemLog();
  const read = new Map<string, { count: number; first: Nanoseconds; last: Nanoseconds; stamp: Nanoseconds | null }>();
  let instruction = recording.instruction;
  const [start, end] = recording.timeRange ?? [0n, 0n];
  const bar = progressBar('reading');
  let messages = 0;
  for await (const message of recording.messages()) {
    if (signal.aborted) throw new CancelledError('reading the recording');
    if (++messages % 256 === 0) bar.update(message.logTime - start, end - start);
    const facts = read.get(message.topic) ?? { count: 0, first: message.logTime, last: message.logTime, stamp: null };
    read.set(message.topic, {
      ...facts,
      count: facts.count + 1,
      last: message.logTime,
      stamp: checkStamp(message, facts.stamp, found),
    });
    try {
      await examineMessage(message);
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
      found.add(error.code, `${message.topic}: ${error.message}`, message.topic);
      continue;
    }
    if (message.type === 'std_msgs/msg/String' && /instruction/.test(message.topic))
      instruction ??= instructionIn(message);
  }
  bar.stop();
  return {
    path: recording.path,
    kind: recording.kind,
    start_ns: recording.timeRange ? start.toString() : null,
    duration_s: toSeconds(end - start),
    messages,
    topics: recording.topics.map(({ topic, type, count, usable }) => {
      const facts = read.get(topic);
      const span = facts ? toSeconds(facts.last - facts.first) : 0;
      return {
        topic,
        type,
        count: facts?.count ?? count,
        rate_hz: facts && facts.count > 1 && span > 0 ? (facts.count - 1) / span : null,
        usable,
      };
    }),
    cameras: findCameras(recording.topics.filter((t) => t.usable)).map(({ camera, color, depth, info }) => ({
      camera,
      color: color.topic,
      depth: depth?.topic ?? null,
      info,
    })),
    instruction,
    point_tracks: recording.tracks && {
      camera: recording.tracks.camera,
      points: recording.tracks.positions[0]?.length ?? 0,
      frames: recording.tracks.stamps.length,
    },
    problems: [...recording.problems, ...found.list],
  };
}

/** Stamps of one topic must grow. Returns the message's stamp, or the last one where it has none. */
function checkStamp(message: RecordedMessage, last: Nanoseconds | null, found: ProblemLog): Nanoseconds | null {
  const stamp = stampOf(message);
  if (stamp === null) return last;
  if (last !== null && stamp < last) {
    found.add(
      'stamps.backwards',
      `stamps on ${message.topic} go backwards, the first time by ${toSeconds(last - stamp).toFixed(3)} s`,
      message.topic,
    );
  }
  return stamp;
}

function instructionIn(message: RecordedMessage): string {
  return messageOf(message, 'std_msgs/msg/String').data;
}

function stampOf({ content, type }: RecordedMessage): Nanoseconds | null {
  if (type === 'std_msgs/msg/String' || type === 'tf2_msgs/msg/TFMessage') return null;
  if (!(content instanceof Uint8Array)) return 'header' in content ? fromTimeMessage(content.header.stamp) : null;
  // The stamp opens every message with a header: reading the pixels behind it is not needed.
  if (content.length < 12) return null;
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const little = (content[1]! & 1) === 1;
  return fromTimeMessage({ sec: view.getInt32(4, little), nanosec: view.getUint32(8, little) });
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
  for (const { kind, message, count } of facts.problems)
    print(`${kind}${count > 1 ? `, ${count} times` : ''}: ${message}`);
  if (facts.problems.length === 0) print('no problem found');
}
