import type { z } from 'zod';

/** What a setting says about itself beside its type and default. The documentation is made of it. */
export interface SettingNotes {
  /** One sentence: what the value does. */
  readonly description: string;
  readonly unit?: string;
  /** Why the default is what it is. */
  readonly why: string;
  /** The value may change while the system runs. */
  readonly live?: true;
}

/** A leaf of the configuration: its schema with its default and its notes. */
export function setting<T extends z.ZodType>(
  schema: T,
  value: z.input<T> extends undefined ? never : NonNullable<z.input<T>> | z.input<T>,
  notes: SettingNotes,
): z.ZodDefault<T> {
  return schema.default(value as never).meta({ ...notes });
}
