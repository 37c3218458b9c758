import { z } from 'zod';
import { executionSection } from './sections/execution.js';
import { armSection, framesSection } from './sections/robot.js';
import {
  forecastingSection,
  groundingSection,
  inferenceSection,
  instructionSection,
  planningSection,
  recordingSection,
  visualizationSection,
} from './sections/stages.js';
import { camerasSection, sensingSection, topicsSection } from './sections/world.js';
import { setting } from './setting.js';

/** Everything that a running system is told. */
export const nodeConfigSchema = z.strictObject({
  arm: armSection,
  frames: framesSection,
  cameras: camerasSection,
  topics: topicsSection,
  sensing: sensingSection,
  instruction: instructionSection,
  grounding: groundingSection,
  forecasting: forecastingSection,
  planning: planningSection,
  execution: executionSection,
  inference: inferenceSection,
  recording: recordingSection,
  visualization: visualizationSection,
  seed: setting(z.number().int().nonnegative(), 0, {
    description: 'of everything that is drawn',
    why: 'the same inputs give the same run',
  }),
});

export type NodeConfig = z.infer<typeof nodeConfigSchema>;
