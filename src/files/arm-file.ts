import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Arm } from '../core/arm.js';
import { ConfigurationError, describeError } from '../core/errors.js';
import { installedPath } from '../core/installed-path.js';
import { readInputFile } from './input-file.js';

/** Arms that come with the software. */
const FOLDER = fileURLToPath(new URL('../../config/arms/', import.meta.url));

/** An arm of a hundred joints needs a tenth of it. */
const MOST_ARM_BYTES = 2 ** 18;

const positive = z.number().positive();
const envelopeSchema = z.strictObject({
  c: z.number().nonnegative(),
  k: positive,
  lower: z.number(),
  upper: z.number(),
});
const jointSchema = z
  .strictObject({
    name: z.string().min(1),
    lower: z.number(),
    upper: z.number(),
    velocity: positive,
    acceleration: positive,
    jerk: positive,
    envelope: envelopeSchema.optional(),
  })
  .refine(({ lower, upper }) => lower < upper, 'lower must be below upper');
const armSchema = z
  .strictObject({
    name: z.string().min(1),
    kinematics: z.enum(['franka', 'none']).default('none'),
    links: z.strictObject({ base: z.string().min(1), hand: z.string().min(1) }),
    joints: z.array(jointSchema).min(1),
  })
  .refine(({ kinematics, joints }) => kinematics === 'none' || joints.length === 7, 'a Franka arm has 7 joints');

/**
 * An arm by its name (`fr3`, `panda`), or from a YAML file like those of config/arms.
 * @throws ConfigurationError `arm.unknown` or `arm.format`.
 */
export async function loadArm(nameOrFile: string): Promise<Arm> {
  const isName = /^[\w-]+$/.test(nameOrFile);
  const file = isName ? path.join(FOLDER, `${nameOrFile}.yaml`) : nameOrFile;
  let text: string;
  try {
    text = (await readInputFile(file, MOST_ARM_BYTES)).toString('utf8');
  } catch (cause) {
    const known = (await readdir(FOLDER)).map((name) => path.basename(name, '.yaml')).sort();
    throw new ConfigurationError({
      code: 'arm.unknown',
      message: isName ? `there is no arm "${nameOrFile}" (there are: ${known.join(', ')})` : describeError(cause),
      remedy: `name one of them, or a YAML file with the limits of your arm (${installedPath('config/arms')} shows how)`,
      cause,
    });
  }
  let data: unknown;
  try {
    data = parse(text);
  } catch (cause) {
    throw badArm(file, describeError(cause).split('\n')[0]!);
  }
  const parsed = armSchema.safeParse(data);
  if (!parsed.success) throw badArm(file, z.prettifyError(parsed.error).replaceAll('\n', ' '));
  return parsed.data;
}

function badArm(file: string, why: string): ConfigurationError {
  return new ConfigurationError({
    code: 'arm.format',
    message: `${file} does not describe an arm: ${why}`,
    remedy:
      'give name, links (base, hand) and, for each joint, name, lower, upper, velocity, acceleration and jerk in radians and seconds',
  });
}
