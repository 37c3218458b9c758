import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { describeError, PlannerError } from '../core/errors.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';

/**
 * Results, for people as for programs, go to stdout; notices, progress and errors go to stderr. So the output of a command can be piped or kept
 * without what was said on the way.
 */

let quiet = false;

/** From now on there are no notices and no progress, only results and errors (`--quiet`). */
export function beQuiet(): void {
  quiet = true;
}

/**
 * Lets the program go on when nobody reads its output any more, as behind `| head`: what is still printed is dropped, and files are written all
 * the same. Without this the first write into the closed pipe ends the process with a stack.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** A notice: what is being done, where something was written. */
export function say(line: string): void {
  if (!quiet) process.stderr.write(`${line}\n`);
}

/** An error is said under `--quiet` too. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** One line of the result. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(toJson(value));
}

export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), 2);
}

export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  print(table.toString());
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

/** A bar of recorded seconds. */
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
export function byteBar(label: string): Progress {
  const bar = terminalBar(label, 'MB');
  return {
    update: (done, total) => {
      bar.update(Math.round(done / 1e6), Math.round(total / 1e6));
    },
    stop: bar.stop,
  };
}

/** A bar of things. */
export function countBar(label: string): Progress {
  return terminalBar(label, '');
}

/** Between two lines of progress in a log: often enough to see that work goes on, and seldom enough to read the rest. */
const LOG_PERIOD_MS = 60_000;

interface Progress {
  update: (value: number, total: number) => void;
  stop: () => void;
}

/** A bar on a terminal. Where stderr is a file or a pipe, a line every minute in its place. */
function terminalBar(label: string, unit: string): Progress {
  if (quiet) return { update: () => undefined, stop: () => undefined };
  return process.stderr.isTTY ? drawnBar(label, unit) : loggedProgress(label, unit, say);
}

/** Exported for tests, which have their own clock and lines. */
export function loggedProgress(
  label: string,
  unit: string,
  log: (line: string) => void,
  now: () => number = () => performance.now(),
): Progress {
  const began = now();
  let loggedAt = began;
  return {
    update: (value, total) => {
      if (now() - loggedAt < LOG_PERIOD_MS) return;
      loggedAt = now();
      log(`${label} ${`${value}/${total} ${unit}`.trim()}, ${timeLeft(loggedAt - began, value, total)} left`);
    },
    stop: () => undefined,
  };
}

function drawnBar(label: string, unit: string): Progress {
  const bar = new SingleBar({
    format: `${label} [{bar}] {value}/{total} ${unit} | {left} left`,
    hideCursor: true,
    stream: process.stderr,
  });
  let startedAt: number | null = null;
  return {
    update: (value, total) => {
      if (startedAt === null) bar.start(total, 0, { left: timeLeft(0, 0, total) });
      startedAt ??= performance.now();
      bar.setTotal(total);
      bar.update(value, { left: timeLeft(performance.now() - startedAt, value, total) });
    },
    stop: () => {
      if (startedAt !== null) bar.stop();
    },
  };
}

/** Time that the rest takes at the pace so far, such as `2 min 5 s`; `?` as long as there is no pace. */
export function timeLeft(elapsedMs: number, done: number, total: number): string {
  if (!(elapsedMs > 0) || !(done > 0)) return '?';
  const seconds = Math.ceil(((elapsedMs / done) * Math.max(0, total - done)) / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
