import { loadArm } from '../files/arm-file.js';
import { framesOf } from '../assembly/feed-options.js';
import type { LoadedConfig } from '../assembly/config/load-config.js';
import type { RecordedTopic } from '../recordings/recording.js';
import type { Examined } from './examination.js';

/** One thing that a configuration names, looked up in a recording. */
export interface Lookup {
  /** Path of the setting. */
  readonly setting: string;
  readonly kind: 'topic' | 'camera' | 'frame' | 'joints';
  readonly name: string;
  readonly found: boolean;
}

/** Roles of the topics that a recording may be expected to hold; clicks come from an operator, and the rest is what the node itself says. */
const HEARD_ROLES = ['instruction', 'joints', 'tf', 'tf_static', 'robot_mode'] as const;

/**
 * Looks up what a configuration names, setting by setting: topics, cameras with their topics and frames, the frames of the arm, and its joints. A setting
 * that is left at its default is not looked up, since no one has asked for it.
 * @throws ConfigurationError for an arm that there is none of.
 */
export async function lookUp(
  { config, origins }: LoadedConfig,
  recorded: readonly RecordedTopic[],
  examined: Examined,
): Promise<readonly Lookup[]> {
  const isSet = (path: string): boolean =>
    [...origins.keys()].some((key) => key === path || key.startsWith(`${path}.`));
  const topics = new Set(recorded.filter(({ count, usable }) => count !== 0 && usable).map(({ topic }) => topic));
  const frames = new Set(examined.frames);
  const lookups: Lookup[] = HEARD_ROLES.filter((role) => isSet(`topics.${role}`)).map((role) => {
    const name = config.topics[role];
    return { setting: `topics.${role}`, kind: 'topic', name, found: topics.has(name) };
  });
  for (const [camera, section] of config.cameras === 'auto' ? [] : Object.entries(config.cameras)) {
    if (!section) continue;
    const setting = `cameras.${camera}`;
    const found = examined.cameras.some((one) => one.camera === camera);
    lookups.push({ setting, kind: 'camera', name: camera, found });
    for (const key of ['color', 'depth', 'info'] as const) {
      const name = section[key];
      if (typeof name === 'string' && name !== 'auto')
        lookups.push({ setting: `${setting}.${key}`, kind: 'topic', name, found: topics.has(name) });
    }
    if (section.frame !== undefined)
      lookups.push({
        setting: `${setting}.frame`,
        kind: 'frame',
        name: section.frame,
        found: frames.has(section.frame),
      });
  }
  const arm = await loadArm(config.arm.model);
  const { base, hand } = framesOf(config, arm);
  // Whoever plans needs the arm's own frames, whether they are named or not.
  const needsArm = isSet('planning.planner') || isSet('arm.prefix');
  const wanted = [
    ...(needsArm || isSet('frames.base') ? [['frames.base', base] as const] : []),
    ...(needsArm || isSet('frames.hand') ? [['frames.hand', hand] as const] : []),
    ...(isSet('frames.fixed') && config.frames.fixed !== 'auto'
      ? [['frames.fixed', config.frames.fixed] as const]
      : []),
  ];
  for (const [setting, name] of wanted) lookups.push({ setting, kind: 'frame', name, found: frames.has(name) });
  if (needsArm || isSet('arm.joints')) {
    const own = arm.joints.map(({ name }) => config.arm.prefix + name);
    const joints = config.arm.joints === 'auto' ? own : config.arm.joints;
    // Where the names are to be found, whatever arm was found is the right one.
    const isAnyArm = config.arm.joints === 'auto' && !isSet('arm.prefix') && examined.armJoints.length > 0;
    const found = isAnyArm || joints.join() === examined.armJoints.join();
    lookups.push({ setting: 'arm.joints', kind: 'joints', name: joints.join(', '), found });
  }
  return lookups;
}
