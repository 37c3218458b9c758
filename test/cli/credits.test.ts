import { expect, it } from '@jest/globals';
import { parseLayers } from '../../src/assembly/config/load-config.js';
import { credits } from '../../src/cli/credits.js';

const creditsOf = (forecaster: string, planner: string): string =>
  credits(parseLayers([{ origin: 'test', values: { forecasting: { forecaster }, planning: { planner } } }]).config);

it('the credits of a report tell a trained model from the true future', () => {
  expect(creditsOf('truth', 'rigid')).toMatch(
    /^Forecasts: truth, without a trained model \(the true future.*\)\. Plans: rigid, without a trained model \(grasps.*\)\.$/,
  );
  // A bundle is a folder that exists.
  const bundle = import.meta.dirname;
  expect(creditsOf(bundle, bundle)).toBe(`Forecasts: a trained model, ${bundle}. Plans: a trained model, ${bundle}.`);
  expect(creditsOf('static', `hybrid:${bundle}`)).toMatch(
    /^Forecasts: static, without .*Plans: hybrid \(the rigid planner grasps.*\), with the trained model .*test\/cli\.$/,
  );
});
