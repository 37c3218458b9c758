import { expect } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** The built program, as its user starts it. */
export const PROGRAM = path.resolve(import.meta.dirname, '../../bin/molmo-motion.js');
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** @param stopOnceThere sends Ctrl-C as soon as this file exists. */
export function run(args: readonly string[], stopOnceThere?: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, NODE_OPTIONS: '' } });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('exit', (code) => {
      clearInterval(watch);
      resolve({ code, out, err });
    });
    const watch = setInterval(() => {
      if (stopOnceThere === undefined || !existsSync(stopOnceThere)) return;
      clearInterval(watch);
      child.kill('SIGINT');
    }, 5);
  });
}

/** One line that names the thing and a remedy, and no stack. */
export function expectOneError(ended: Ended, code: number, text: string | RegExp): void {
  expect(ended.err).toMatch(text);
  expect([ended.code, ended.err]).toEqual([code, expect.not.stringMatching(/\n\s+at /)]);
  expect(ended.err.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
}
