import { expect, it } from '@jest/globals';
import { loadArm } from '../../src/files/arm-file.js';
import { commandSequences } from '../execution/limiter-judge.js';

const SEQUENCES = 1_000_000;

it('a million sequences of up to 12 commands, and their stops', async () => {
  const arms = [await loadArm('fr3'), await loadArm('panda')];
  let [sequences, commands] = [0, 0];
  for (let seed = 100; sequences < SEQUENCES; seed++) {
    const periodS = seed % 5 === 0 ? 1 / 500 : 1 / 15;
    const result = commandSequences(arms[seed % 2]!, { seed, commands: 200_000, longest: 12, periodS });
    expect(result.broken).toEqual([]);
    sequences += result.sequences;
    commands += result.kept + result.split;
    process.stderr.write(`\r${sequences} sequences, ${commands} commands`);
  }
});
