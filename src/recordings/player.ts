import { LATCHED_QOS, DEFAULT_QOS, STATIC_TF_QOS, type Publisher, type Qos } from '../bus/bus.js';
import type { MemoryBus } from '../bus/memory/memory-bus.js';
import type { VirtualClock } from '../bus/memory/virtual-clock.js';
import type { MessageTypes } from '../bus/messages.js';
import { CancelledError } from '../core/errors.js';
import { fromSeconds, type Nanoseconds } from '../core/time.js';
import type { RecordedMessage, Recording } from './recording.js';

export interface PlayOptions {
  /** Awaited after every message when it gives a promise: how the stages hold the player back, so that memory stays bounded. */
  readonly settle: () => Promise<void> | undefined;
  readonly signal?: AbortSignal;
  /** Topics that are left out: what the stages will say anew. */
  readonly skip?: ReadonlySet<string>;
  /** Ends the play early, as a success. */
  readonly enough?: AbortSignal;
  /** Part to play, in seconds from the start of the recording. Latched topics before it are played all the same. */
  readonly fromS?: number;
  readonly durationS?: number;
  /** Told of every message before it is played. */
  readonly onMessage?: (message: RecordedMessage) => void;
  readonly onProgress?: (played: Nanoseconds, whole: Nanoseconds) => void;
}

export interface PlayResult {
  readonly messages: number;
  readonly perTopic: ReadonlyMap<string, number>;
}

/** What a robot latches must reach those that join later. Where the recording does not tell, the name must do. */
export function replayQos(topic: string, latched?: boolean): Qos {
  if (topic.endsWith('/tf_static')) return STATIC_TF_QOS;
  if (latched !== undefined) return latched ? LATCHED_QOS : DEFAULT_QOS;
  return /(instruction|robot_description|map)$/.test(topic) ? LATCHED_QOS : DEFAULT_QOS;
}

/**
 * Plays a recording onto a bus in log-time order under its virtual clock, as fast as the stages allow.
 * @throws CancelledError when the signal aborts.
 */
export async function play(
  recording: Recording,
  bus: MemoryBus<VirtualClock>,
  options: PlayOptions,
): Promise<PlayResult> {
  const publishers = new Map<string, Publisher<MessageTypes[keyof MessageTypes]>>();
  const latched = new Map(recording.topics.map((t) => [t.topic, t.latched]));
  const perTopic = new Map<string, number>();
  const [start, end] = recording.timeRange ?? [0n, 0n];
  const from = start + fromSeconds(options.fromS ?? 0);
  const until = options.durationS === undefined ? end : from + fromSeconds(options.durationS);
  let messages = 0;
  for await (const message of recording.messages()) {
    const { topic, type, logTime, content } = message;
    if (options.signal?.aborted) throw new CancelledError('the replay');
    if (options.skip?.has(topic)) continue;
    if (logTime > until || options.enough?.aborted) break;
    const qos = replayQos(topic, latched.get(topic));
    if (logTime < from && qos.durability === 'volatile') continue;
    let publisher = publishers.get(topic);
    if (!publisher) {
      publisher = bus.advertise<keyof MessageTypes>(topic, type, qos);
      publishers.set(topic, publisher);
    }
    options.onMessage?.(message);
    bus.clock.advanceTo(logTime < from ? from : logTime);
    publisher.publish(content);
    perTopic.set(topic, (perTopic.get(topic) ?? 0) + 1);
    messages++;
    const busy = options.settle();
    if (busy) await busy;
    if (messages % 256 === 0) options.onProgress?.(logTime - from, until - from);
  }
  options.onProgress?.(until - from, until - from);
  return { messages, perTopic };
}
