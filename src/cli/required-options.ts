import type { Command, Option } from 'commander';

/**
 * commander looks for missing options before it looks at the ones that are given, so that a misspelt `--ot DIR` was answered with "--out is
 * missing". Here required options are checked last, and all that are missing are named at once.
 */
export function requireOptionsLast(program: Command): { readonly check: (command: Command) => void } {
  const required = new Map<Command, readonly Option[]>();
  const collect = (command: Command): void => {
    const mandatory = command.options.filter((option) => option.mandatory);
    for (const option of mandatory) option.makeOptionMandatory(false);
    required.set(command, mandatory);
    command.commands.forEach(collect);
  };
  collect(program);
  return {
    check: (command) => {
      const missing = (required.get(command) ?? []).filter(
        (option) => command.getOptionValue(option.attributeName()) === undefined,
      );
      if (missing.length === 0) return;
      const flags = missing.map(({ flags: text }) => `'${text}'`).join(' and ');
      command.error(`error: required option${missing.length > 1 ? 's' : ''} ${flags} not specified`, {
        code: 'commander.missingMandatoryOptionValue',
      });
    },
  };
}
