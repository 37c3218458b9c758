import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { describeError, PlannerError } from '../core/errors.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';

/** Everything a command says to a person; results for programs go to stdout alone. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${toJson(value)}\n`);
}

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), 2);
}

export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  process.stdout.write(`${table.toString()}\n`);
}

/** One line: what happened, and what to do. The stack on request. */
export function formatError(error: unknown, verbose: boolean): string {
  const line =
    error instanceof PlannerError
      ? `${error.message}. ${capitalise(error.remedy)}.`
      : `unexpected fault: ${describeError(error)}. Please report it with the output of --verbose.`;
  return verbose && error instanceof Error
    ? `error: ${line}\n${error.stack ?? ''}${error.cause instanceof Error ? `\ncaused by: ${error.cause.stack ?? ''}` : ''}`
    : `error: ${line}`;
}

/** A bar of recorded seconds on a terminal; silent where nobody watches. */
export function progressBar(label: string): {
  update: (played: Nanoseconds, whole: Nanoseconds) => void;
  stop: () => void;
} {
  const tenths = (time: Nanoseconds): number => Math.round(toSeconds(time) * 10) / 10;
  const bar = terminalBar(label, 's');
  return {
    update: (played, whole) => {
      bar.update(tenths(played), tenths(whole));
    },
    stop: bar.stop,
  };
}

/** A bar of megabytes. */
export function byteBar(label: string): { update: (done: number, total: number) => void; stop: () => void } {
  const bar = terminalBar(label, 'MB');
  return {
    update: (done, total) => {
      bar.update(Math.round(done / 1e6), Math.round(total / 1e6));
    },
    stop: bar.stop,
  };
}

/** A bar of things. */
export function countBar(label: string): { update: (done: number, total: number) => void; stop: () => void } {
  return terminalBar(label, '');
}

function terminalBar(
  label: string,
  unit: string,
): { update: (value: number, total: number) => void; stop: () => void } {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({
    format: `${label} [{bar}] {value}/{total} ${unit} | {eta_formatted} left`,
    hideCursor: true,
    stream: process.stderr,
  });
  let started = false;
  return {
    update: (value, total) => {
      if (!started) bar.start(total, 0);
      started = true;
      bar.setTotal(total);
      bar.update(value);
    },
    stop: () => {
      if (started) bar.stop();
    },
  };
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
