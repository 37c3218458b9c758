import type { Header, MessageType, MessageTypes } from '../bus/messages.js';
import { fromTimeMessage, toSeconds, type Nanoseconds } from '../core/time.js';
import { lacksProjection } from './camera-info.js';

/** What is wrong, or had to be assumed, with a stream as a whole; no single message shows it. */
export interface Finding {
  readonly kind: 'problem' | 'notice';
  readonly code: string;
  readonly message: string;
  readonly count: number;
}

/** The topics of a camera that are looked at together. */
export interface WatchedCamera {
  readonly camera: string;
  readonly color: { readonly topic: string };
  readonly depth: { readonly topic: string } | null;
  readonly info: string;
  readonly rectified: boolean;
}

/** What is known of the arm among the joint states. */
export interface HeardArm {
  /** Names that are configured or were found; null where there are none. */
  readonly armJoints: readonly string[] | null;
  readonly hasRead: boolean;
}

interface Stamps {
  count: number;
  zeros: number;
  backwards: number;
  /** Of the first step back. */
  backBy: Nanoseconds;
  first: Nanoseconds;
  last: Nanoseconds;
}

/** Watches the messages of a recording, or of a graph, and tells afterwards what it noticed. */
export class SensorWatch {
  readonly #stamps = new Map<string, Stamps>();
  readonly #zeroProjections = new Map<string, number>();
  /** Joint names by topic, each set once. */
  readonly #joints = new Map<string, Set<string>>();

  saw<T extends MessageType>(topic: string, type: T, message: MessageTypes[T]): void {
    if ('header' in message) this.#sawStamp(topic, message.header);
    if (type === 'sensor_msgs/msg/CameraInfo' && lacksProjection(message as MessageTypes['sensor_msgs/msg/CameraInfo']))
      this.#zeroProjections.set(topic, (this.#zeroProjections.get(topic) ?? 0) + 1);
    if (type === 'sensor_msgs/msg/JointState') {
      const known = this.#joints.get(topic) ?? new Set();
      this.#joints.set(topic, known);
      if (known.size < MOST_JOINT_SETS)
        known.add((message as MessageTypes['sensor_msgs/msg/JointState']).name.join(', '));
    }
  }

  /** What was noticed until now, of everything that was seen and of these cameras' topics together. */
  findings(cameras: readonly WatchedCamera[], arm: HeardArm): readonly Finding[] {
    return [
      ...this.#stampFindings(),
      ...cameras.flatMap((camera) => [...this.#apart(camera), ...this.#projection(camera)]),
      ...(arm.hasRead ? [] : this.#noArm(arm)),
    ];
  }

  #sawStamp(topic: string, { stamp: time }: Header): void {
    const stamp = fromTimeMessage(time);
    const known = this.#stamps.get(topic);
    if (!known) {
      this.#stamps.set(topic, {
        count: 1,
        zeros: stamp === 0n ? 1 : 0,
        backwards: 0,
        backBy: 0n,
        first: stamp,
        last: stamp,
      });
      return;
    }
    known.count++;
    if (stamp === 0n) known.zeros++;
    if (stamp < known.last && known.backwards++ === 0) known.backBy = known.last - stamp;
    known.last = stamp;
    if (stamp < known.first) known.first = stamp;
  }

  #stampFindings(): readonly Finding[] {
    return [...this.#stamps].flatMap(([topic, { count, zeros, backwards, backBy }]): Finding[] => {
      // A simulation may begin at 0, but it goes on from there.
      if (zeros > 1)
        return [
          {
            kind: 'problem',
            code: 'stamps.zero',
            message: `${zeros} of ${count} messages on ${topic} are stamped 0, so nothing tells when they were taken; its driver must set header.stamp`,
            count: zeros,
          },
        ];
      if (backwards === 0) return [];
      const by = toSeconds(backBy).toFixed(3);
      return [
        {
          kind: 'problem',
          code: 'stamps.backwards',
          message: `stamps on ${topic} go backwards, the first time by ${by} s`,
          count: backwards,
        },
      ];
    });
  }

  /** Colour and depth whose times have nothing in common come from different clocks. */
  #apart({ color, depth }: WatchedCamera): readonly Finding[] {
    const a = this.#stamps.get(color.topic);
    const b = depth && this.#stamps.get(depth.topic);
    if (!a || !b || a.zeros > 1 || b.zeros > 1 || (a.first <= b.last && b.first <= a.last)) return [];
    const between = toSeconds(b.first - a.first);
    return [
      {
        kind: 'problem',
        code: 'stamps.apart',
        message: `depth on ${depth.topic} is stamped ${Math.abs(between).toFixed(3)} s ${between < 0 ? 'before' : 'after'} colour on ${color.topic}, so no two of them belong together; their driver must stamp both by one clock`,
        count: Math.min(a.count, b.count),
      },
    ];
  }

  #projection({ rectified, info, color }: WatchedCamera): readonly Finding[] {
    const count = this.#zeroProjections.get(info);
    if (!rectified || count === undefined) return [];
    const message = `${info} gives no P for the rectified pictures on ${color.topic}; K is used in its place`;
    return [{ kind: 'notice', code: 'camera.no-projection', message, count }];
  }

  #noArm({ armJoints }: HeardArm): readonly Finding[] {
    const wanted = armJoints
      ? `the joints that arm.joints names (${armJoints.join(', ')})`
      : 'the seven joints of an arm, named PREFIXjoint1 to PREFIXjoint7';
    return [...this.#joints].map(([topic, sets]): Finding => ({
      kind: 'notice',
      code: 'joints.no-arm',
      message: `no message on ${topic} has ${wanted}; found were: ${[...sets].join('; ')}. arm.joints in the configuration names those of your arm`,
      count: 1,
    }));
  }
}

/** A stream has few kinds of messages; one that renames its joints all the time must not fill memory. */
const MOST_JOINT_SETS = 8;
