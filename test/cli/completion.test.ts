import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { COMPLETION_SCRIPTS, type Shell } from '../../src/cli/completion/scripts.js';
import { wordsOf } from '../../src/cli/completion/words.js';
import { makeProgram } from '../../src/cli/main.js';
import { expectOneError, run } from './program.js';

const words = wordsOf(makeProgram());
const installed = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

/** What a shell offers for the last of these words. */
const ASK: Readonly<Record<Shell, (script: string, typed: readonly string[]) => [string, readonly string[]]>> = {
  bash: (script, typed) => [
    'bash',
    [
      '--norc',
      '-c',
      `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _molmo_motion; printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      ...typed,
    ],
  ],
  // Without its line editor zsh cannot complete: what the script asks for is printed instead.
  zsh: (script, typed) => [
    'zsh',
    [
      '-fc',
      `compdef() { : }; _files() { }; compadd() { shift; print -l -- \${(M)@:#\${words[CURRENT]}*}; }; words=("$@"); CURRENT=$#\n${script}\n_molmo_motion`,
      'zsh',
      ...typed,
    ],
  ],
  fish: (script, typed) => ['fish', ['--no-config', '-c', `${script}\ncomplete -C '${typed.join(' ')}'`]],
};

function offered(shell: Shell, ...typed: readonly string[]): readonly string[] {
  const [program, args] = ASK[shell](COMPLETION_SCRIPTS[shell](words), ['molmo-motion', ...typed]);
  const { stdout, stderr } = spawnSync(program, [...args], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .map((line) => line.split('\t')[0]!)
    .filter((line) => line !== '');
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  (installed(shell) ? describe : describe.skip)(`completion in ${shell}`, () => {
    it('completes commands, theirs, options and values', () => {
      expect(offered(shell, 'rep')).toEqual(['replay']);
      expect(offered(shell, 'bench', 'lim')).toEqual(['limiter']);
      expect(offered(shell, 'bench', 'limiter', '--comm')).toEqual(['--commands']);
      expect([...offered(shell, 'parity', '--provider', '')].sort()).toEqual(['cpu', 'cuda', 'webgpu']);
      expect([...offered(shell, 'build', '--task', 'p')].sort()).toEqual(['pointing', 'policy']);
      expect(offered(shell, 'completion', 'f')).toEqual(['fish']);
      // Options of one command are not offered to another.
      expect(offered(shell, 'lift', '--comm')).toEqual([]);
    });
  });
}

it('prints the script of the shell that is asked for, and refuses others', async () => {
  const ended = await run(['completion', 'bash']);
  expect([ended.code, ended.out.trim(), ended.err]).toEqual([0, COMPLETION_SCRIPTS.bash(words).trim(), '']);
  expectOneError(await run(['completion', 'tcsh']), 2, /Allowed choices are bash, zsh, fish/);
});
