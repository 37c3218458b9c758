import { describe, expect, it } from '@jest/globals';
import type { Vector3 } from '../../../src/core/vector.js';
import { CausalTrackFilter } from '../../../src/forecasting/tracks/causal-filter.js';
import { StaticForecaster, ExtrapolateForecaster } from '../../../src/forecasting/baselines.js';

/** Eight points of a rigid object that moves steadily, 0.6 m before the camera. */
const object = (t: number): Vector3[] =>
  Array.from({ length: 8 }, (_, n) => [
    0.02 * (n % 4) + 0.004 * t,
    0.02 * Math.floor(n / 4),
    0.6 + 0.002 * t + 0.01 * (n % 3),
  ]);

describe('the causal filter of history points', () => {
  it('leaves points that move rigidly where they were measured', () => {
    const filter = new CausalTrackFilter();
    for (let t = 0; t < 12; t++) {
      const points = object(t);
      expect(filter.add(points)).toEqual(points.map((p) => p.map((v) => expect.closeTo(v, 6))));
    }
  });

  it('pulls one wild depth back to where the point was going, and no other', () => {
    const filter = new CausalTrackFilter();
    for (let t = 0; t < 11; t++) filter.add(object(t));
    const measured = object(11);
    const wild = measured.map((p, n): Vector3 => (n === 5 ? [p[0] * 1.2, p[1] * 1.2, p[2] * 1.2] : p));
    const filtered = filter.add(wild);
    expect(Math.abs(filtered[5]![2] - measured[5]![2])).toBeLessThan(0.01);
    expect(Math.abs(wild[5]![2] - measured[5]![2])).toBeGreaterThan(0.1);
    filtered.forEach((p, n) => {
      if (n !== 5) expect(Math.abs(p![2] - wild[n]![2])).toBeLessThan(1e-3);
    });
  });

  it('passes on what it does not know: unseen points, the first frames, another set of points', () => {
    const filter = new CausalTrackFilter();
    const points = object(0).map((p, n) => (n === 2 ? null : p));
    expect(filter.add(points)).toEqual(points);
    expect(filter.add(object(1).slice(0, 3))).toEqual(object(1).slice(0, 3));
  });
});

describe('the baselines', () => {
  const stamps = [-150_000_000n, -50_000_000n, 0n];
  const at = (seconds: number): Vector3 => [0.1 + 0.3 * seconds, 0.05 - 0.2 * seconds, 0.5 + 0.1 * seconds];
  const request = {
    query: {
      camera: 'c',
      frameId: 'f',
      stamp: 0n,
      points: [{ pixel: [0, 0] as const, position: at(0) }],
      history: stamps.map((stamp) => [at(Number(stamp) / 1e9)]),
      historyStamps: stamps,
      tracks: null,
    },
    instruction: 'x',
    window: [],
    stepS: 1 / 15,
  };
  it('extrapolate by the true times of the history, not by its count', async () => {
    const { positions } = await new ExtrapolateForecaster(30, 3).forecast(request);
    positions[0]!.forEach((p, f) => {
      expect(p).toEqual(at((f + 1) / 15).map((v) => expect.closeTo(v, 9)));
    });
  });
  it('stay where they are when nothing is known of the motion', async () => {
    const once = { ...request, query: { ...request.query, history: [[null], [null], [at(0)]] } };
    expect((await new ExtrapolateForecaster(3, 3).forecast(once)).positions[0]).toEqual([at(0), at(0), at(0)]);
    expect((await new StaticForecaster(2).forecast(request)).positions[0]).toEqual([at(0), at(0)]);
  });
});
