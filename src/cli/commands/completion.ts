import { Argument, Command } from 'commander';
import { COMPLETION_SCRIPTS, type Shell } from '../completion/scripts.js';
import { wordsOf } from '../completion/words.js';
import { print } from '../terminal.js';

const SHELLS = Object.keys(COMPLETION_SCRIPTS);

/** @param program whose commands and options are completed. */
export function completionCommand(program: Command): Command {
  return new Command('completion')
    .description('print a script that lets a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>', 'which shell reads it').choices(SHELLS))
    .addHelpText(
      'after',
      `
bash: molmo-motion completion bash > ~/.local/share/bash-completion/completions/molmo-motion
zsh:  molmo-motion completion zsh > FOLDER/_molmo-motion    (a folder of $fpath)
fish: molmo-motion completion fish > ~/.config/fish/completions/molmo-motion.fish`,
    )
    .action((shell: Shell) => {
      print(COMPLETION_SCRIPTS[shell](wordsOf(program)).trimEnd());
    });
}
