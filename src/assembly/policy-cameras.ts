import { ConfigurationError } from '../core/errors.js';
import { CAMERA_ALIASES } from '../planning/camera-aliases.js';
import type { OpenPolicy } from './model-source.js';

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
    const candidates = renamed.has(name) ? [renamed.get(name)!] : [name, CAMERA_ALIASES.get(name)];
    const found = candidates.find((candidate) => candidate !== undefined && cameras.includes(candidate));
    if (found !== undefined) return found;
    throw new ConfigurationError({
      code: 'policy.camera',
      message: `the policy looks through "${candidates[0]!}", which is not among the cameras that are there (${cameras.join(', ') || 'none'})`,
      remedy: `say which one stands for it: planning.cameras.${name} (--policy-camera ${name}=NAME)`,
    });
  });
}
