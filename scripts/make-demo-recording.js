// Makes demo-data/tabletop.mcap, the recording that `npm run demo` replays. Run after `npm run build`.
import { stat } from 'node:fs/promises';
import { writeTabletop } from '../dist/recordings/synthetic/write-tabletop.js';

const path = new URL('../demo-data/tabletop.mcap', import.meta.url).pathname;
const messages = await writeTabletop(path, {
  seconds: 4,
  rateHz: 15,
  width: 320,
  height: 180,
  compressed: true,
  clicksAtS: [1.6, 2.4, 3.2],
});
process.stdout.write(`${messages} messages, ${((await stat(path)).size / 1e6).toFixed(2)} MB in ${path}\n`);
