import type { Finding } from '../sensing/sensor-watch.js';
import type { Topic } from './camera-topics.js';

/** What the topics of a recording alone tell: where joint states are when there are none where they are looked for. @param joints the topic of joint states that is configured. */
export function topicFindings(topics: readonly Topic[], joints: string): readonly Finding[] {
  const found = topics
    .filter(({ type, count }) => /^sensor_msgs\/(msg\/)?JointState$/.test(type) && count !== 0)
    .map(({ topic }) => topic);
  if (found.length === 0 || found.includes(joints)) return [];
  return [
    {
      kind: 'notice',
      code: 'joints.topic',
      message: `no joint states are on ${joints}, where they are looked for; there are some on ${found.join(', ')}, which a line in the configuration names: topics.joints: ${found[0]!}`,
      count: 1,
    },
  ];
}
