import type { CommandWords, OptionWord } from './words.js';

export type Shell = 'bash' | 'zsh' | 'fish';

/** Scripts hold all words: completing starts no process. What has no known values is completed with the names of files. */
export const COMPLETION_SCRIPTS: Readonly<Record<Shell, (commands: readonly CommandWords[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

function bashScript(commands: readonly CommandWords[]): string {
  return `# bash completion of molmo-motion
_molmo_motion() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} at=\${COMP_WORDS[0]##*/} word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
      ${pathsBelow(commands)}) at="$at $word" ;;
    esac
  done
  case "$at $previous" in
${valueCases(commands, (values) => `COMPREPLY=($(compgen -W "${values.join(' ')}" -- "$current")); return`, 'return')}
  esac
  if [[ $current == -* ]]; then
    case "$at" in
${wordCases(commands, flagsOf, (words) => `COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$current"))`)}
    esac
  else
    case "$at" in
${wordCases(commands, argumentsOf, (words) => `COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$current"))`)}
    esac
  fi
}
complete -o default -F _molmo_motion molmo-motion
`;
}

function zshScript(commands: readonly CommandWords[]): string {
  return `#compdef molmo-motion
_molmo_motion() {
  local at=\${words[1]:t} word previous=\${words[CURRENT-1]}
  for word in \${words[2,CURRENT-1]}; do
    case "$at $word" in
      ${pathsBelow(commands)}) at="$at $word" ;;
    esac
  done
  case "$at $previous" in
${valueCases(commands, (values) => `compadd -- ${values.join(' ')}; return`, '_files; return')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    case "$at" in
${wordCases(commands, flagsOf, (words) => `compadd -- ${words.join(' ')}`)}
    esac
  else
    case "$at" in
${wordCases(commands, argumentsOf, (words) => `compadd -- ${words.join(' ')}`)}
      *) _files ;;
    esac
  fi
}
if [[ $funcstack[1] == _molmo_motion ]]; then _molmo_motion "$@"; else compdef _molmo_motion molmo-motion; fi
`;
}

function fishScript(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap(({ path, commands: below, options, choices }) => {
    const here = `complete -c molmo-motion -n '__molmo_motion_at "${path}"'`;
    return [
      ...below.map(({ name, description }) => `${here} -f -a ${name} -d ${fishText(description)}`),
      ...choices.map((choice) => `${here} -f -a ${choice}`),
      ...options.map(
        ({ flag, takesValue, choices: values, description }) =>
          `${here} -l ${flag.slice(2)}${takesValue ? ' -r' : ''}${values.length > 0 ? ` -f -a '${values.join(' ')}'` : ''} -d ${fishText(description)}`,
      ),
    ];
  });
  return `# fish completion of molmo-motion
function __molmo_motion_at
  set -l tokens (commandline -opc)
  set -l at (path basename -- $tokens[1])
  for word in $tokens[2..]
    switch "$at $word"
      case ${pathsBelow(commands).replaceAll('|', ' ')}
        set at "$at $word"
    end
  end
  test "$at" = $argv[1]
end
${lines.join('\n')}
`;
}

/** Patterns of all commands but the program itself. */
function pathsBelow(commands: readonly CommandWords[]): string {
  return commands
    .slice(1)
    .map(({ path }) => `"${path}"`)
    .join('|');
}

/** A case for every option that takes a value: its choices, or names of files. */
function valueCases(
  commands: readonly CommandWords[],
  complete: (values: readonly string[]) => string,
  completeFiles: string,
): string {
  return commands
    .flatMap(({ path, options }) =>
      options
        .filter(({ takesValue }) => takesValue)
        .map(
          ({ flag, choices }) => `    "${path} ${flag}") ${choices.length > 0 ? complete(choices) : completeFiles} ;;`,
        ),
    )
    .join('\n');
}

function wordCases(
  commands: readonly CommandWords[],
  wordsOf: (command: CommandWords) => readonly string[],
  complete: (words: readonly string[]) => string,
): string {
  return commands
    .flatMap((command) => {
      const words = wordsOf(command);
      return words.length > 0 ? [`      "${command.path}") ${complete(words)} ;;`] : [];
    })
    .join('\n');
}

function flagsOf({ options }: CommandWords): readonly string[] {
  return options.map(({ flag }: OptionWord) => flag);
}

function argumentsOf({ commands, choices }: CommandWords): readonly string[] {
  return [...commands.map(({ name }) => name), ...choices];
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
