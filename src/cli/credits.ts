import type { NodeConfig } from '../assembly/config/node-config.js';
import { FORECASTERS } from '../assembly/forecasters.js';
import { PLANNERS } from '../assembly/planners.js';
import type { Registry } from '../assembly/registry.js';

/**
 * Whose forecasts and whose plans a report shows, as a sentence: a figure of the true future must not be taken for one of a trained model.
 */
export function credits({ forecasting, planning }: Pick<NodeConfig, 'forecasting' | 'planning'>): string {
  return `Forecasts: ${who(FORECASTERS, forecasting.forecaster)}. Plans: ${who(PLANNERS, planning.planner)}.`;
}

function who<Context, Opened>(registry: Registry<Context, Opened>, text: string): string {
  const { chosen, argument } = registry.find(text);
  if (chosen === registry.bundle) return `a trained model, ${argument}`;
  if (registry.needsModel(text)) return `${chosen.name} (${chosen.summary}), with the trained model ${argument}`;
  return `${text}, without a trained model (${chosen.summary})`;
}
