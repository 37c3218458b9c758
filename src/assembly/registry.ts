import { existsSync } from 'node:fs';
import type { z } from 'zod';
import { ConfigurationError } from '../core/errors.js';
import { installedPath } from '../core/installed-path.js';
import type { SettingsTree } from './config/layers.js';

/** One choice: how it is called, what it takes, and how it is opened. */
export interface Entry<Context, Opened> {
  readonly name: string;
  /** One line for the help. */
  readonly summary: string;
  /** What stands behind the colon of `name:ARGUMENT`; null where nothing does. */
  readonly argument: string | null;
  readonly options: z.ZodObject;
  /** @throws ConfigurationError `config.options` for options that it does not take. */
  check(options: SettingsTree): void;
  /** Rejects with ConfigurationError `config.options` for options that it does not take. */
  open(context: Context, options: SettingsTree, argument: string): Promise<Opened>;
}

/** Keeps the options' schema and the function that is given them together. */
export function entry<Context, Opened, Shape extends z.ZodRawShape>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly argument?: string;
  readonly options: z.ZodObject<Shape>;
  readonly open: (context: Context, options: z.infer<z.ZodObject<Shape>>, argument: string) => Promise<Opened>;
}): Entry<Context, Opened> {
  const { name, summary, argument = null, options: schema, open } = definition;
  const parse = (options: SettingsTree): z.infer<z.ZodObject<Shape>> => {
    const parsed = schema.safeParse(options);
    if (!parsed.success) throw badOptions(name, schema, parsed.error);
    return parsed.data;
  };
  return {
    name,
    summary,
    argument,
    options: schema,
    check: (options) => {
      parse(options);
    },
    open: async (context, options, given) => open(context, parse(options), given),
  };
}

/** The choices of one kind. A new one is one file and one line in its list. */
export class Registry<Context, Opened> {
  readonly kind: string;
  readonly entries: readonly Entry<Context, Opened>[];
  /** What the folder of a bundle means; null where a bundle is no choice. */
  readonly bundle: Entry<Context, Opened> | null;

  constructor(kind: string, entries: readonly Entry<Context, Opened>[], bundle: Entry<Context, Opened> | null) {
    this.kind = kind;
    this.entries = entries;
    this.bundle = bundle;
  }

  /** The registered words, as a help lists them. */
  get words(): string {
    const words = this.entries.map(({ name, argument }) => (argument === null ? name : `${name}:${argument}`));
    return [...words, ...(this.bundle ? ['the folder of a bundle'] : [])].join(', ');
  }

  /** @param text a registered word, a word with its argument, or the folder of a bundle. Rejects with ConfigurationError `KIND.unknown`, `KIND.argument`. */
  async open(text: string, options: SettingsTree, context: Context): Promise<Opened> {
    const { chosen, argument } = this.find(text);
    return chosen.open(context, options, argument);
  }

  /** Whether it could be opened, as far as that can be told without a world. @throws ConfigurationError `KIND.unknown`, `KIND.argument`, `config.options`. */
  check(text: string, options: SettingsTree): void {
    this.find(text).chosen.check(options);
  }

  /** Whether a text means a model bundle, by itself or behind a word: such a choice has a model to open. */
  needsModel(text: string): boolean {
    const { chosen } = this.find(text);
    return chosen === this.bundle || chosen.argument === 'BUNDLE';
  }

  /** The folder of the bundle that a text means, by itself or behind a word; null where it means none. */
  modelOf(text: string): string | null {
    return this.needsModel(text) ? this.find(text).argument : null;
  }

  /** @throws ConfigurationError `KIND.unknown`, `KIND.argument`. */
  find(text: string): { readonly chosen: Entry<Context, Opened>; readonly argument: string } {
    const colon = text.indexOf(':');
    const word = colon < 0 ? text : text.slice(0, colon);
    const argument = colon < 0 ? '' : text.slice(colon + 1);
    const named = this.entries.find(({ name }) => name === word);
    if (named) {
      if ((named.argument === null) === (argument === ''))
        return {
          chosen: named,
          argument: named.argument === 'BUNDLE' ? (bundleFolder(argument) ?? argument) : argument,
        };
      throw new ConfigurationError({
        code: `${this.kind}.argument`,
        message:
          named.argument === null
            ? `the ${this.kind} "${word}" takes nothing behind a colon`
            : `the ${this.kind} "${word}" needs to be told more`,
        remedy: named.argument === null ? `give ${word}` : `give ${word}:${named.argument}`,
      });
    }
    if (this.bundle && bundleFolder(text) !== null) return { chosen: this.bundle, argument: bundleFolder(text)! };
    throw new ConfigurationError({
      code: `${this.kind}.unknown`,
      message: `there is no ${this.kind} "${text}"`,
      remedy: `give one of: ${this.words}`,
    });
  }
}

/** Where a bundle lies: as it is named, or among those that come with the software (`models/nano-flow`). Null where there is nothing. */
function bundleFolder(text: string): string | null {
  return [text, installedPath(text)].find((folder) => existsSync(folder)) ?? null;
}

function badOptions(name: string, schema: z.ZodObject, error: z.ZodError): ConfigurationError {
  const takes = Object.keys(schema.shape);
  return new ConfigurationError({
    code: 'config.options',
    message: `options of ${name}: ${error.issues.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; ')}`,
    remedy: takes.length === 0 ? `${name} takes no options` : `${name} takes: ${takes.join(', ')}`,
  });
}
