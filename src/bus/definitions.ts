import { readFileSync } from 'node:fs';
import { parse, stringify } from '@foxglove/rosmsg';
import commonDefinitions from '@foxglove/rosmsg-msgs-common';
import type { MessageDefinition } from '@foxglove/message-definition';
import type { MessageType } from './messages.js';

const OWN_MESSAGES = ['QueryPoints', 'PointForecast'] as const;
const OWN_PACKAGE = 'molmo_motion_planner';

const standard = commonDefinitions.ros2jazzy as unknown as Readonly<Record<string, MessageDefinition | undefined>>;
const cache = new Map<string, readonly MessageDefinition[]>();

/** Our own messages are read from msg/, the files that rosidl compiles: one source for both worlds. */
const own: ReadonlyMap<string, MessageDefinition> = new Map(
  OWN_MESSAGES.map((name) => {
    const [definition] = parse(readFileSync(new URL(`../../msg/${name}.msg`, import.meta.url), 'utf8'), {
      ros2: true,
      skipTypeFixup: true,
    });
    return [`${OWN_PACKAGE}/${name}`, { ...definition!, name: `${OWN_PACKAGE}/${name}` }];
  }),
);

const KNOWN_TYPES: ReadonlySet<string> = new Set<MessageType>([
  'std_msgs/msg/String',
  'std_msgs/msg/Float64',
  'sensor_msgs/msg/Image',
  'sensor_msgs/msg/CompressedImage',
  'sensor_msgs/msg/CameraInfo',
  'sensor_msgs/msg/JointState',
  'sensor_msgs/msg/PointCloud2',
  'tf2_msgs/msg/TFMessage',
  'geometry_msgs/msg/PointStamped',
  'trajectory_msgs/msg/JointTrajectory',
  'visualization_msgs/msg/MarkerArray',
  'nav_msgs/msg/Path',
  'diagnostic_msgs/msg/DiagnosticArray',
  'rosgraph_msgs/msg/Clock',
  'lifecycle_msgs/msg/TransitionEvent',
  'molmo_motion_planner/msg/QueryPoints',
  'molmo_motion_planner/msg/PointForecast',
]);

export function isKnownType(name: string): name is MessageType {
  return KNOWN_TYPES.has(name);
}

/** The type's definition followed by those of every type it uses. */
export function definitionsOf(type: MessageType): readonly MessageDefinition[] {
  let definitions = cache.get(type);
  if (!definitions) {
    const byName = new Map<string, MessageDefinition>();
    const visit = (name: string): void => {
      const short = name.replace('/msg/', '/');
      if (byName.has(short)) return;
      const definition = standard[short] ?? own.get(short);
      if (!definition) throw new Error(`no definition of ${name}`);
      byName.set(short, definition);
      for (const field of definition.definitions) if (field.isComplex === true) visit(field.type);
    };
    visit(type);
    definitions = [...byName.values()];
    cache.set(type, definitions);
  }
  return definitions;
}

/** The parser knows these as primitives; in ROS 2 they are messages. */
const BUILTIN = {
  time: { name: 'builtin_interfaces/Time', text: 'int32 sec\nuint32 nanosec' },
  duration: { name: 'builtin_interfaces/Duration', text: 'int32 sec\nuint32 nanosec' },
} as const;

/** The `ros2msg` schema text of a type: its definition, then each used type behind a line of 80 `=` and `MSG: package/Type`. */
export function schemaTextOf(type: MessageType): string {
  const used = new Map<string, string>();
  const [root, ...others] = definitionsOf(type).map((definition) => {
    const text = stringify([definition]).replace(/^(time|duration)(?=[ [])/gm, (primitive) => {
      const builtin = BUILTIN[primitive as keyof typeof BUILTIN];
      used.set(builtin.name, builtin.text);
      return builtin.name;
    });
    return { name: definition.name!, text };
  });
  const parts = [...others, ...[...used].map(([name, text]) => ({ name, text }))];
  return [root!.text, ...parts.map(({ name, text }) => `${'='.repeat(80)}\nMSG: ${name}\n${text}`)].join('\n');
}
