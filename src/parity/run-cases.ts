import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { InputError } from '../core/errors.js';
import { readJsonFile } from '../files/json-file.js';
import type { ParityOptions } from './case-context.js';
import type { Comparison } from './comparison.js';
import { groundingSchema, runGrounding } from './grounding-cases.js';
import { motionSchema, runMotion } from './motion-cases.js';
import { pointSchema, runPointing } from './point-cases.js';
import { benchSchema, queriesSchema, runBench, runQueries, runVariants, variantsSchema } from './policy-cases.js';
import { preprocessSchema, runPreprocess } from './preprocess-cases.js';

/** Layouts of golden cases: what their case.json looks like, and what is compared. */
const LAYOUTS: readonly (readonly [z.ZodType, (folder: string, options: ParityOptions) => Promise<Comparison[]>])[] = [
  [queriesSchema, runQueries],
  [variantsSchema, runVariants],
  [benchSchema, runBench],
  [motionSchema, runMotion],
  [pointSchema, runPointing],
  [groundingSchema, runGrounding],
  [preprocessSchema, runPreprocess],
];

/**
 * Runs a golden case, or all cases below a folder. Cases of a layout that is not known here are listed as skipped.
 * @throws InputError `parity.none` where there is no case.
 */
export async function runCases(
  folder: string,
  options: ParityOptions,
  onRows: (rows: readonly Comparison[]) => void = () => undefined,
): Promise<Comparison[]> {
  const cases = await findCases(folder);
  if (cases.length === 0) {
    throw new InputError({
      code: 'parity.none',
      message: `${folder} holds no golden case: neither it nor a folder below has a case.json`,
      remedy: 'name a case folder, such as golden/bot/native-2cam',
    });
  }
  const all: Comparison[] = [];
  for (const found of cases) {
    const rows = await runCase(found, options);
    onRows(rows);
    all.push(...rows);
  }
  return all;
}

async function runCase(folder: string, options: ParityOptions): Promise<Comparison[]> {
  const data = await readJsonFile(path.join(folder, 'case.json'), 'parity.case', 'copy the golden set again');
  for (const [schema, run] of LAYOUTS) if (schema.safeParse(data).success) return run(folder, options);
  const note = 'no model or stage of this software makes what this case compares';
  return [{ case: path.basename(folder), stage: '-', difference: null, tolerance: null, verdict: 'skipped', note }];
}

/** A folder with a case.json is a case; otherwise those below it. */
async function findCases(folder: string): Promise<string[]> {
  if (existsSync(path.join(folder, 'case.json'))) return [folder];
  const below = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    below
      .filter((entry) => entry.isDirectory())
      .sort((a, b) => a.name.localeCompare(b.name))
      .map((entry) => findCases(path.join(folder, entry.name))),
  );
  return found.flat();
}
