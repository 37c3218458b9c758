import { readFileSync } from 'node:fs';

/** What package.json says of this software. */
export function packageFacts(): { readonly version: string; readonly description: string } {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
    description: string;
  };
}
