/**
 * Checks what a user of the package does first: `npm pack`, `npm install` of the tarball in an empty folder, one episode of the demo, and an import.
 * Packages come from the npm registry and nothing else is downloaded. npm's cache is used; `npm ci` has filled it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'package-'));

/** Settings of the npm that started this script would be inherited, onnxruntime-node-install=skip of .npmrc among them, which users do not have. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^ONNXRUNTIME_/i.test(name)));

function run(command, args, cwd = folder) {
  process.stdout.write(`$ ${command} ${args.join(' ')}\n`);
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

try {
  const [{ filename, size }] = JSON.parse(
    run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], checkout),
  );
  process.stdout.write(`${filename}: ${(size / 1e6).toFixed(1)} MB\n`);
  const began = Date.now();
  run('npm', ['install', '--no-audit', '--no-fund', join(folder, filename)]);
  process.stdout.write(`installed in ${((Date.now() - began) / 1000).toFixed(0)} s\n`);
  process.stdout.write(run('npx', ['molmo-motion', 'demo', '--count', '1']));
  if (!existsSync(join(folder, 'demo', 'report.html'))) throw new Error('the demo has written no demo/report.html');
  const program =
    "import { loadArm } from 'molmo_motion_planner'; console.log((await loadArm('fr3')).joints.length, 'joints');";
  process.stdout.write(run(process.execPath, ['--input-type=module', '--eval', program]));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
