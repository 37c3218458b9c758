// Asks a policy server at 15 Hz for a long time, and says what became of its memory and its answers: npm run soak:serve -- --minutes 60
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { encodeMessage } from '../dist/serving/message-writer.js';
import { NumpyArray } from '../dist/serving/numpy-array.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    bundle: { type: 'string', default: 'models/nano-policy' },
    rate: { type: 'string', default: '15' },
  },
});
const root = path.resolve(import.meta.dirname, '..');
const server = spawn(process.execPath, [
  path.join(root, 'bin/molmo-motion.js'),
  ...['serve', '--bundle', path.resolve(root, values.bundle), '--port', '0'],
]);
const url = await new Promise((resolve, reject) => {
  let said = '';
  server.stderr.on('data', (text) => {
    said += text;
    const found = /ws:\S+/.exec(said);
    if (found) resolve(found[0]);
  });
  server.once('exit', () => reject(new Error(said)));
});

/** Resident memory of the server, MB. */
async function resident() {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
}

const picture = new NumpyArray('|u1', [360, 640, 3], new Uint8Array(360 * 640 * 3));
const observation = encodeMessage(
  new Map([
    ['task', 'put the red block into the bowl'],
    [
      'qpos',
      new Map([
        ['arm', [0, -0.7, 0, -2.35, 0, 1.57, 0]],
        ['gripper', [0, 0]],
      ]),
    ],
    ['exo_camera_1', picture],
    ['wrist_camera', picture],
  ]),
);
const socket = new WebSocket(url, { perMessageDeflate: false });
await new Promise((resolve) => socket.once('message', resolve));
const took = [];
let asked = null;
let missed = 0;
socket.on('message', () => {
  took.push(performance.now() - asked);
  asked = null;
});
const memory = [];
const minutes = Number(values.minutes);
const ends = performance.now() + minutes * 60_000;
let nextLook = 0;
await new Promise((resolve, reject) => {
  socket.once('close', (code) => reject(new Error(`the server closed the connection with ${code}`)));
  const timer = setInterval(
    async () => {
      const now = performance.now();
      if (now >= ends) {
        clearInterval(timer);
        resolve();
        return;
      }
      if (asked !== null) missed++;
      else {
        asked = now;
        socket.send(observation);
      }
      if (now < nextLook) return;
      nextLook = now + 30_000;
      memory.push(await resident());
    },
    1000 / Number(values.rate),
  );
});
const sorted = took.toSorted((a, b) => a - b);
const at = (part) => sorted[Math.floor(part * (sorted.length - 1))].toFixed(1);
const inferring = took.filter((_, i) => i % 8 === 0).toSorted((a, b) => a - b);
process.stdout.write(
  `${JSON.stringify(
    {
      minutes,
      answers: took.length,
      ticks_without_question: missed,
      ms: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
      ms_of_answers_that_infer: { p50: inferring[inferring.length >> 1].toFixed(1) },
      resident_mb: memory.map((mb) => Math.round(mb)),
    },
    null,
    2,
  )}\n`,
);
socket.removeAllListeners('close');
socket.close();
server.kill('SIGINT');
