import { ConfigurationError } from '../core/errors.js';
import type { OpenPolicy } from './model-source.js';

/** Names that the published simulator policy takes in place of its own. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['exo_camera_1', 'droid_shoulder_light_randomization'],
  ['wrist_camera', 'wrist_camera_zed_mini'],
]);

/**
 * The cameras that a policy looks through, in the order of its images.
 * @param renamed cameras by the policy's names for them, where they differ. @param cameras those that are there.
 * @throws ConfigurationError `policy.camera` where one is missing, or a name is not the policy's.
 */
export function policyCameras(
  { cameras: wanted }: OpenPolicy['input'],
  renamed: ReadonlyMap<string, string>,
  cameras: readonly string[],
): readonly string[] {
  const stranger = [...renamed.keys()].find((name) => !wanted.includes(name));
  if (stranger !== undefined) {
    throw new ConfigurationError({
      code: 'policy.camera',
      message: `the policy has no camera "${stranger}" (it has: ${wanted.join(', ')})`,
      remedy: 'name one of these in planning.cameras (before the = of --policy-camera), or as the role of a camera',
    });
  }
  return wanted.map((name) => {
    const candidates = renamed.has(name) ? [renamed.get(name)!] : [name, ALIASES.get(name)];
    const found = candidates.find((candidate) => candidate !== undefined && cameras.includes(candidate));
    if (found !== undefined) return found;
    throw new ConfigurationError({
      code: 'policy.camera',
      message: `the policy looks through "${candidates[0]!}", which is not among the cameras that are there (${cameras.join(', ') || 'none'})`,
      remedy: `say which one stands for it: planning.cameras.${name} (--policy-camera ${name}=NAME)`,
    });
  });
}
