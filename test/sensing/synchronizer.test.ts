import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Synchronizer } from '../../src/sensing/synchronizer.js';

type Item = readonly [lane: number, stamp: number];

function run(
  items: readonly Item[],
  options = { maxInterval: 30n, queueSize: 5 },
): { sets: Item[][]; refused: number } {
  const sets: Item[][] = [];
  let refused = 0;
  const synchronizer = new Synchronizer<Item>(2, options, (set) => sets.push([...set]));
  for (const item of items) {
    try {
      synchronizer.add(item[0], BigInt(item[1]), item);
    } catch {
      refused++;
    }
  }
  synchronizer.flush();
  return { sets, refused };
}

describe('the approximate-time synchroniser', () => {
  it('gives out an exact pair at once', () => {
    const sets: unknown[] = [];
    const synchronizer = new Synchronizer<string>(2, { maxInterval: 10n, queueSize: 5 }, (set) => sets.push(set));
    synchronizer.add(0, 100n, 'color');
    expect(sets).toEqual([]);
    synchronizer.add(1, 100n, 'depth');
    expect(sets).toEqual([['color', 'depth']]);
  });

  it('waits for the better partner of an inexact pair', () => {
    // 100 could pair with 90, but 104 is nearer and comes later.
    const { sets } = run([
      [1, 90],
      [0, 100],
      [1, 104],
      [0, 166],
      [1, 170],
      [0, 232],
    ]);
    expect(sets[0]).toEqual([
      [0, 100],
      [1, 104],
    ]);
    expect(sets[1]).toEqual([
      [0, 166],
      [1, 170],
    ]);
  });

  it('never pairs over more than the interval', () => {
    const { sets } = run([
      [0, 100],
      [1, 150],
      [0, 200],
      [1, 250],
      [0, 300],
    ]);
    expect(sets).toEqual([]);
  });

  it('refuses a stamp that is not newer, with how much it is late', () => {
    const synchronizer = new Synchronizer<number>(1, { maxInterval: 0n, queueSize: 2 }, () => undefined);
    synchronizer.add(0, 1_000_000_000n, 1);
    expect(() => {
      synchronizer.add(0, 500_000_000n, 2);
    }).toThrow('0.500000 s before');
    synchronizer.clear();
    synchronizer.add(0, 500_000_000n, 2);
  });

  it('property: sets are in order, within the interval, use nothing twice, and memory is bounded', () => {
    const stream = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 1, max: 40 })), { maxLength: 120 })
      .map((steps) => {
        const time = [0, 0];
        return steps.map(([lane, step]): Item => [lane, (time[lane]! += step)]);
      });
    fc.assert(
      fc.property(
        stream,
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 2, max: 10 }),
        (items, interval, queueSize) => {
          const { sets } = run(items, { maxInterval: BigInt(interval), queueSize });
          const used = new Set<Item>();
          let last = [-1, -1];
          for (const set of sets) {
            const stamps = set.map(([, stamp]) => stamp);
            expect(Math.max(...stamps) - Math.min(...stamps)).toBeLessThanOrEqual(interval);
            expect(set.map(([lane]) => lane)).toEqual([0, 1]);
            stamps.forEach((stamp, lane) => {
              expect(stamp).toBeGreaterThan(last[lane]!);
            });
            last = stamps;
            for (const item of set) {
              expect(used.has(item)).toBe(false);
              used.add(item);
            }
          }
        },
      ),
      { numRuns: 1000, seed: 1 },
    );
  });

  it('property: two cameras of one rate with jitter lose no pair', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 12, maxLength: 60 }), (jitter) => {
        const items = jitter
          .flatMap((j, i): Item[] => [
            [0, 1000 + 66 * i],
            [1, 1000 + 66 * i + j],
          ])
          .sort((a, b) => a[1] - b[1]);
        const { sets } = run(items, { maxInterval: 33n, queueSize: 10 });
        expect(sets).toHaveLength(jitter.length);
      }),
      { numRuns: 300, seed: 2 },
    );
  });
});
