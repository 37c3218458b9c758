#!/usr/bin/env node
import { existsSync } from 'node:fs';

if (!existsSync(new URL('../dist/cli/main.js', import.meta.url))) {
  process.stderr.write('error: the program is not built yet. Run: npm run build\n');
  process.exit(1);
}
const { main } = await import('../dist/cli/main.js');
await main(process.argv);
