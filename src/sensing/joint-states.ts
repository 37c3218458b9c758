import type { JointStateMessage } from '../bus/messages.js';
import { InputError } from '../core/errors.js';
import type { JointPositions } from '../core/joint-state.js';
import { fromTimeMessage } from '../core/time.js';

/**
 * The named joints in the order of `names`, wherever they stand in the message; others are ignored.
 * @throws InputError `joints.missing`, `joints.duplicate`, `joints.length` or `joints.value`.
 */
export function readJoints(message: JointStateMessage, names: readonly string[]): JointPositions {
  const fail = (code: string, what: string, remedy: string): never => {
    throw new InputError({ code, message: `joint state ${what}`, remedy });
  };
  const seen = new Map<string, number>();
  message.name.forEach((name, i) => {
    if (seen.has(name))
      fail(
        'joints.duplicate',
        `names ${name} twice`,
        'two publishers are merged wrongly; fix the joint state publisher',
      );
    seen.set(name, i);
  });
  if (message.position.length !== message.name.length) {
    fail(
      'joints.length',
      `has ${message.position.length} positions for ${message.name.length} names`,
      'fix the joint state publisher',
    );
  }
  const indices = names.map((name) => {
    const index = seen.get(name);
    if (index === undefined) {
      return fail(
        'joints.missing',
        `lacks ${name} (it has ${message.name.join(', ')})`,
        'set the joint names of your arm, with its prefix, in the configuration',
      );
    }
    if (!Number.isFinite(message.position[index]))
      fail('joints.value', `reports ${message.position[index]!} for ${name}`, 'stop: the robot state is not valid');
    return index;
  });
  const hasVelocities = message.velocity.length === message.name.length;
  return {
    stamp: fromTimeMessage(message.header.stamp),
    names,
    positions: indices.map((i) => message.position[i]!),
    velocities: hasVelocities ? indices.map((i) => message.velocity[i]!) : null,
  };
}

/**
 * Names of the seven arm joints in a message, whatever their prefix (fr3_joint1, robot1_panda_joint1, ...); null when there is no complete arm.
 * @throws InputError `joints.ambiguous` when several arms are in the message.
 */
export function findArmJoints(names: readonly string[]): readonly string[] | null {
  const prefixes = new Set(
    names.map((name) => /^(.*[^a-z]|)joint1$/.exec(name)?.[1]).filter((p): p is string => p !== undefined),
  );
  const arms = [...prefixes]
    .map((prefix) => Array.from({ length: 7 }, (_, i) => `${prefix}joint${i + 1}`))
    .filter((arm) => arm.every((name) => names.includes(name)) && !arm[0]!.includes('finger'));
  if (arms.length > 1) {
    throw new InputError({
      code: 'joints.ambiguous',
      message: `the joint states are of several arms: ${arms.map((arm) => arm.join(', ')).join(' and ')}`,
      remedy: `say which one is meant, with a line in the configuration: arm.joints: [${arms[0]!.join(', ')}]`,
    });
  }
  return arms[0] ?? null;
}
