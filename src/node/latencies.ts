import { percentile } from '../core/statistics.js';

export interface LatencySummary {
  readonly count: number;
  /** Of all values together. */
  readonly total: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Beyond this many values every second one is dropped: percentiles of a long run need no more, and memory stays bounded. */
const MOST_VALUES = 8192;

/** Milliseconds by name. */
export class Latencies {
  readonly #values = new Map<string, { kept: number[]; count: number; total: number; stride: number }>();

  add(name: string, milliseconds: number): void {
    let series = this.#values.get(name);
    if (!series) this.#values.set(name, (series = { kept: [], count: 0, total: 0, stride: 1 }));
    series.total += milliseconds;
    if (series.count++ % series.stride !== 0) return;
    series.kept.push(milliseconds);
    if (series.kept.length > MOST_VALUES) {
      series.kept = series.kept.filter((_, i) => i % 2 === 0);
      series.stride *= 2;
    }
  }

  /** Runs the work and notes how long it took, also when it fails. */
  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.add(name, performance.now() - start);
    }
  }

  summary(): Readonly<Record<string, LatencySummary>> {
    const round = (value: number): number => Math.round(value * 1000) / 1000;
    return Object.fromEntries(
      [...this.#values].map(([name, { kept, count, total }]) => [
        name,
        {
          count,
          total: round(total),
          p50: round(percentile(kept, 50)),
          p95: round(percentile(kept, 95)),
          p99: round(percentile(kept, 99)),
        },
      ]),
    );
  }
}
