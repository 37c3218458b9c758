/**
 * Runs as this package's preinstall script, which npm calls before any postinstall script of a dependency.
 *
 * On Linux x64 onnxruntime-node's postinstall downloads 300 MB of CUDA libraries from a server other than the npm registry, and the whole
 * installation fails where that server cannot be reached. The libraries for the CPU are in its npm package already. So its script is told to
 * download only when it is asked to: npm rebuild onnxruntime-node --onnxruntime-node-install=cuda12 works as before.
 *
 * (An .npmrc with onnxruntime-node-install=skip does the same, but only in the folder where npm is called; it does not travel with a package.)
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ASKED = 'const INSTALL_FLAG = parseInstallFlag();';
const ONLY_WHEN_ASKED = 'const INSTALL_FLAG = parseInstallFlag() ?? false;';

const script = find(dirname(fileURLToPath(import.meta.url)));
if (script !== null) {
  const text = readFileSync(script, 'utf8');
  if (text.includes(ASKED)) writeFileSync(script, text.replace(ASKED, ONLY_WHEN_ASKED));
}

/** The script in the nearest node_modules folder; null where nothing is installed yet, as in a fresh checkout of this package. */
function find(folder) {
  const candidate = join(folder, 'node_modules', 'onnxruntime-node', 'script', 'install.js');
  if (existsSync(candidate)) return candidate;
  const parent = dirname(folder);
  return parent === folder ? null : find(parent);
}
