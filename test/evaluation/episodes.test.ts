import { expect, it } from '@jest/globals';
import { episodesReport, type EpisodeResult } from '../../src/evaluation/episodes.js';

const episode = (seed: number, change: Partial<EpisodeResult>): EpisodeResult => ({
  seed,
  instruction: 'Put the red cube in the blue bowl',
  success: true,
  failure: null,
  unseen: { object: false, layout: false },
  simulated_s: 10,
  wall_s: 4,
  spent_ms: { physics: 300 },
  forecasts: 12,
  forecast_error_m: { ADE: 0.02, FDE: 0.04, forecasts: 5 },
  chunk_latencies_ms: [1, 3],
  moved_m: { 'red cube': 0.3 },
  commands: 100,
  holds: 5,
  limited: { velocity: 2 },
  stops: [],
  refusals: [],
  ...change,
});

it('counts successes by what was seen in training, and failures by their reasons', () => {
  const failed = { success: false, failure: { code: 'object.outside', message: 'not in it' } };
  const report = episodesReport(
    'recorded',
    'rigid',
    [
      episode(0, {}),
      episode(1, { unseen: { object: true, layout: false }, ...failed, forecast_error_m: null }),
      episode(2, { unseen: { object: true, layout: true }, limited: { velocity: 1, delta: 4 } }),
      episode(3, { ...failed, forecast_error_m: { ADE: 0.04, FDE: 0.06, forecasts: 1 }, chunk_latencies_ms: [11] }),
    ],
    20,
  );
  expect(report.success).toEqual({
    episodes: 4,
    succeeded: 2,
    rate: 0.5,
    seen_object: { episodes: 2, succeeded: 1, rate: 0.5 },
    unseen_object: { episodes: 2, succeeded: 1, rate: 0.5 },
    seen_layout: { episodes: 3, succeeded: 1, rate: 1 / 3 },
    unseen_layout: { episodes: 1, succeeded: 1, rate: 1 },
  });
  expect(report.failures).toEqual({ 'object.outside': 2 });
  expect(report.forecast_error_m).toEqual({ ADE: expect.closeTo(0.08 / 3, 9), FDE: expect.closeTo(0.14 / 3, 9) });
  expect(report.chunk_latency_ms).toEqual({ chunks: 7, p50: 3, p95: expect.closeTo(8.6, 6), max: 11 });
  expect(report.limiter).toEqual({ commands: 400, holds: 20, limited: { velocity: 7, delta: 4 }, stops: 0 });
  expect([report.simulated_s, report.times_real_time]).toEqual([40, 2]);
});

it('says nothing of nothing', () => {
  const { success, forecast_error_m: error, chunk_latency_ms: latency } = episodesReport('static', 'rigid', [], 1);
  expect([success.rate, success.unseen_layout.rate, error.ADE, latency.p95]).toEqual([null, null, null, null]);
});
