import { decodeCdr } from '../bus/cdr.js';
import type { JointStateMessage, JointTrajectory } from '../bus/messages.js';
import type { SentCommand } from '../controller/play-commands.js';
import { InputError } from '../core/errors.js';
import type { Recording } from '../recordings/recording.js';
import { readJoints } from '../sensing/joint-states.js';

export interface RecordedTrajectories {
  readonly commands: readonly SentCommand[];
  /** Where the arm was measured before the first of them, radians; null where no joint states of its joints come before it. */
  readonly start: readonly number[] | null;
}

/**
 * The trajectories of a topic, in the order in which they were sent, and where the arm stood before.
 * @throws InputError `commands.topic` where the recording has no trajectories under that name, and those of the recording.
 */
export async function recordedCommands(recording: Recording, topic: string): Promise<RecordedTrajectories> {
  const known = recording.topics.filter(({ type, usable }) => usable && type === 'trajectory_msgs/msg/JointTrajectory');
  if (!known.some((one) => one.topic === topic)) {
    throw new InputError({
      code: 'commands.topic',
      message: `${recording.path} has no trajectories on ${topic}`,
      remedy:
        known.length === 0
          ? 'record the topic of the commands too'
          : `name one of its topics with --topic: ${known.map((one) => one.topic).join(', ')}`,
    });
  }
  const commands: SentCommand[] = [];
  const states: JointStateMessage[] = [];
  for await (const { topic: from, type, publishTime, content } of recording.messages()) {
    if (type === 'trajectory_msgs/msg/JointTrajectory' && from === topic) {
      const message = content instanceof Uint8Array ? decodeCdr(type, content) : (content as JointTrajectory);
      commands.push({ at: publishTime, message });
    } else if (type === 'sensor_msgs/msg/JointState' && commands.length === 0) {
      states.push(content instanceof Uint8Array ? decodeCdr(type, content) : (content as JointStateMessage));
    }
  }
  const names = commands[0]?.message.joint_names ?? [];
  const last = states.findLast(({ name }) => names.every((joint) => name.includes(joint)));
  return { commands, start: names.length > 0 && last ? readJoints(last, names).positions : null };
}
