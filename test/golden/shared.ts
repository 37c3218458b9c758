import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from '@jest/globals';

/** The reference data lie beside the checkout; the project never depends on them at run time. */
const SHARED = process.env['MOLMO_SHARED'] ?? path.resolve(import.meta.dirname, '../../../shared');

export function sharedPath(...parts: string[]): string {
  return path.join(SHARED, ...parts);
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the layout of the file it names
export function sharedJson<T>(...parts: string[]): T {
  return JSON.parse(readFileSync(sharedPath(...parts), 'utf8')) as T;
}

/** A describe block over reference data; where they are absent the block says so as one skipped test. */
export function describeShared(name: string, needs: string, body: () => void): void {
  if (existsSync(sharedPath(needs))) {
    describe(name, body);
  } else {
    describe(name, () => {
      it.skip(`needs reference data that are not here: ${needs}`, () => undefined);
    });
  }
}
