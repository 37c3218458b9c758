import type { Command } from 'commander';

export interface OptionWord {
  /** `--name`. */
  readonly flag: string;
  readonly takesValue: boolean;
  /** Values that it may have; empty where any may be, such as the name of a file. */
  readonly choices: readonly string[];
  readonly description: string;
}

/** What can be typed behind a command. */
export interface CommandWords {
  /** From the program's name on, such as `molmo-motion bench limiter`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionWord[];
  /** Values of its first argument; empty where it is a file. */
  readonly choices: readonly string[];
}

/** The words of a command and of all commands below it. */
export function wordsOf(command: Command, before: readonly string[] = []): readonly CommandWords[] {
  const path = [...before, command.name()];
  const options = command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description, required, optional, argChoices }): OptionWord[] =>
      typeof long === 'string'
        ? [{ flag: long, takesValue: required || optional, choices: argChoices ?? [], description }]
        : [],
    );
  return [
    {
      path: path.join(' '),
      commands: command.commands.map((sub) => ({ name: sub.name(), description: sub.description() })),
      options,
      choices: command.registeredArguments[0]?.argChoices ?? [],
    },
    ...command.commands.flatMap((sub) => wordsOf(sub, path)),
  ];
}
