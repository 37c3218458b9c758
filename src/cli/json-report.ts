import { writeAtomically } from '../files/atomic-file.js';
import { printJson, toJson } from './terminal.js';

/**
 * The result of a command with `--json FILE`: as JSON on stdout for `-`, else for people on stdout, and in the file where one is given.
 * @throws OutputError.
 */
export async function reportResult(json: string | undefined, result: unknown, showToPeople: () => void): Promise<void> {
  if (json === '-') {
    printJson(result);
    return;
  }
  if (json !== undefined) await writeAtomically(json, `${toJson(result)}\n`);
  showToPeople();
}
