import { loadArm } from '../files/arm-file.js';
import type { NodeConfig } from './config/node-config.js';
import { FORECASTERS } from './forecasters.js';
import { GROUNDERS } from './grounders.js';
import { PLANNERS } from './planners.js';

/**
 * Checks what can be checked of a configuration without a world to run in: the arm's file, and that grounder, forecaster and planner are there and take
 * their options. Cameras and topics need a world.
 * @throws ConfigurationError and InputError of the arm's file, of the registries, and of options.
 */
export async function checkConfig({ arm, grounding, forecasting, planning }: NodeConfig): Promise<void> {
  await loadArm(arm.model);
  GROUNDERS.check(grounding.grounder, grounding.options);
  FORECASTERS.check(forecasting.forecaster, forecasting.options);
  PLANNERS.check(planning.planner, planning.options);
}
