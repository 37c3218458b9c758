import { ConfigurationError } from '../core/errors.js';
import type { Scene } from './scene.js';

/**
 * The scene with the task that an instruction names: the object that comes first in it, and the receptacle.
 * @throws ConfigurationError `task.unknown` where it names no object, or no receptacle, of the scene.
 */
export function withTask(scene: Scene, instruction: string): Scene {
  const find = (what: string, things: Scene['objects'] | Scene['receptacles']): string => {
    const words = wordsOf(instruction);
    const named = things
      .map(({ name, label }) => ({ name, at: words.indexOf(wordsOf(label)) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at);
    if (named[0]) return named[0].name;
    throw new ConfigurationError({
      code: 'task.unknown',
      message: `"${instruction}" names no ${what} of the scene of seed ${scene.seed}`,
      remedy: `name one of: ${things.map(({ label }) => label).join(', ')}`,
    });
  };
  return {
    ...scene,
    task: { instruction, object: find('object', scene.objects), receptacle: find('receptacle', scene.receptacles) },
  };
}

/** Without capitals and punctuation, between spaces. */
function wordsOf(text: string): string {
  return ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;
}
