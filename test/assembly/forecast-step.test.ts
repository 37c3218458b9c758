import { describe, expect, it } from '@jest/globals';
import { parseLayers } from '../../src/assembly/config/load-config.js';
import { forecastStepS } from '../../src/assembly/forecast-step.js';
import type { OpenForecaster } from '../../src/assembly/model-source.js';
import type { World } from '../../src/assembly/world.js';
import { StaticForecaster } from '../../src/forecasting/baselines.js';
import { modelsOf } from '../../src/assembly/model-source.js';

const forecaster = (stepS: number | null): OpenForecaster => ({
  forecaster: new StaticForecaster(8),
  stepS,
  lastRun: () => null,
});
const world = (tracksAtS: readonly number[] | null, isClip = false): World =>
  ({
    ...(tracksAtS && { tracks: { stamps: tracksAtS.map((s) => BigInt(Math.round(s * 1e9))) } }),
    ...(isClip && { clip: 'clip' }),
  }) as unknown as World;
const stepS = (asked: number | 'auto', own: number | null, where: World): number => {
  const { config } = parseLayers([
    { origin: 'test', values: { forecasting: { forecaster: 'models/nano-flow', step_s: asked } } },
  ]);
  return forecastStepS(config, forecaster(own), where);
};

describe('the time between the steps of a forecast', () => {
  it("is the model's own, also where known tracks have another pace", () => {
    expect(stepS('auto', 0.25, world(null))).toBe(0.25);
    expect(stepS('auto', 0.25, world([0, 0.1, 0.2]))).toBe(0.25);
  });

  it('is one frame on a clip, whatever its rate', () => {
    expect(stepS('auto', 1 / 15, world([0, 0.04, 0.08], true))).toBeCloseTo(0.04, 12);
    expect(stepS(0.1, 1 / 15, world([0, 0.04, 0.08], true))).toBe(0.1);
  });

  it('is that of the tracks without a model, else 1/15 s', () => {
    expect(stepS('auto', null, world([0, 0.1, 0.2]))).toBeCloseTo(0.1, 12);
    expect(stepS('auto', null, world(null))).toBe(1 / 15);
    expect(stepS(0.2, null, world([0, 0.1, 0.2]))).toBe(0.2);
  });

  it('cannot be another than that of the model: its positions would be a motion of another speed', () => {
    expect(() => stepS(1 / 15, 0.25, world(null))).toThrow(
      /forecasting\.step_s is 0\.0666\d+ s, but models\/nano-flow answers in steps of 0\.25 s/,
    );
    expect(stepS(0.0667, 1 / 15, world(null))).toBe(0.0667);
  });

  it('is read from the bundles that are shipped', async () => {
    const { config } = parseLayers([]);
    const models = modelsOf(config);
    try {
      const options = { steps: 8, seed: 0, maxNewTokens: null, draft: 'off' as const, history: 1 };
      expect((await models.forecaster('models/nano-flow', options)).stepS).toBe(0.25);
    } finally {
      await models.close();
    }
  });
});
