import { z } from 'zod';
import { PROVIDERS } from '../../../inference/worker-messages.js';
import { setting } from '../setting.js';

const count = z.number().int().positive();
const word = z.string().min(1);
/** Checked against the schema of the chosen entry when it is opened. */
const options = z.record(z.string(), z.json());

export const instructionSection = z
  .strictObject({
    text: setting(z.string().min(1).nullable(), null, {
      description: 'the task in words, in place of the instruction topic',
      why: 'an operator or another node says it while the system runs',
      live: true,
    }),
  })
  .prefault({});

/** More points than this are no question that a model was made for, and take minutes to choose. */
const MOST_POINTS = 1000;

export const clickSchema = z.strictObject({
  camera: word.optional(),
  pixel: z.tuple([z.number(), z.number()]),
});

export const groundingSection = z
  .strictObject({
    grounder: setting(word, 'auto', {
      description:
        "who finds the object's points where nobody clicks; auto takes the known tracks of a recording or the masks of the simulator, where there are some",
      why: 'a robot has neither, and waits for a click',
    }),
    options: setting(
      options,
      {},
      {
        description: 'what the grounder takes besides (molmo-motion config --registered lists it)',
        why: 'most take nothing',
      },
    ),
    points: setting(count.max(MOST_POINTS), 8, {
      description: 'query points on the object',
      why: 'MolmoMotion was trained with eight',
    }),
    clicks: setting(z.array(clickSchema), [], {
      description:
        'pixels on the object, as if they were clicked at the start; without a camera, the one that forecasts start from',
      why: 'an operator clicks while the system runs',
    }),
    repeat_clicks: setting(z.boolean(), false, {
      description: 'ask at the configured pixels again for every forecast, until the object is held',
      why: 'the object may have moved away from the pixel',
    }),
    follow_hand: setting(z.boolean(), true, {
      description: 'while the gripper holds the object, points that it hides are taken to move with the hand',
      why: 'the gripper hides what it holds from most cameras',
    }),
  })
  .prefault({});

export const forecastingSection = z
  .strictObject({
    forecaster: setting(word, 'extrapolate', {
      description:
        'who forecasts: a registered word, a word with its argument such as stored:FILE, or the folder of a bundle',
      why: 'needs no model',
    }),
    options: setting(
      options,
      {},
      {
        description: 'what the forecaster takes besides, such as steps (molmo-motion config --registered lists it)',
        why: 'each has defaults of its own',
      },
    ),
    camera: setting(word, 'auto', {
      description:
        'camera that forecasts start from; auto is the one with the role forecast, else the one that known tracks were seen from, else the first with depth',
      why: 'most robots have one camera that sees the table',
    }),
    step_s: setting(z.union([z.literal('auto'), z.number().positive()]), 'auto', {
      description:
        "time between history pictures and between future steps; auto is a bundle's own, on clips that of their frames, without a bundle that of the known tracks of a recording, else 1/15",
      unit: 's',
      why: 'MolmoMotion was trained at 15 Hz',
    }),
    period_s: setting(z.union([z.literal('auto'), z.number().nonnegative()]), 'auto', {
      description:
        'least time between two forecasts; auto is every observation window where a bundle forecasts or a policy plans, else 1',
      unit: 's',
      why: 'what costs nothing is not repeated for every picture, and a model is asked as often as it can answer',
      live: true,
    }),
  })
  .prefault({});

export const planningSection = z
  .strictObject({
    planner: setting(word, 'none', {
      description: 'who plans: none, rigid, hybrid:BUNDLE, or the folder of a policy bundle',
      why: 'forecasts alone move nothing',
    }),
    options: setting(
      options,
      {},
      {
        description: 'what the planner takes besides (molmo-motion config --registered lists it)',
        why: 'most take nothing',
      },
    ),
    cameras: setting(
      z.record(z.string(), word),
      {},
      {
        description: "camera in place of one of the policy's, by the policy's name for it",
        why: "cameras that are called as in the policy's training need none",
      },
    ),
    period_s: setting(z.number().nonnegative(), 0, {
      description: 'least time between two chunks of a policy whose chunks are only compared, in a replay',
      unit: 's',
      why: 'every observation is compared',
    }),
  })
  .prefault({});

export const inferenceSection = z
  .strictObject({
    provider: setting(z.enum(PROVIDERS), 'cpu', {
      description: 'where models run',
      why: 'every machine has one',
    }),
    threads: setting(z.union([z.literal('auto'), count]), 'auto', {
      description: 'threads of one operator; auto is one for each core',
      why: 'one model runs at a time on most machines',
    }),
    timeout_ms: setting(count.nullable(), null, {
      description: 'longest time of one run',
      unit: 'ms',
      why: 'the time that a model needs is not known before it was measured',
    }),
  })
  .prefault({});

export const recordingSection = z
  .strictObject({
    file: setting(z.string().min(1).nullable(), null, {
      description: 'MCAP file of everything that is heard and said',
      why: 'pictures fill a disk in an hour',
    }),
    compression: setting(z.enum(['none', 'zstd']), 'zstd', {
      description: 'compression of its chunks',
      why: 'raw pictures shrink to a third',
    }),
  })
  .prefault({});

export const visualizationSection = z
  .strictObject({
    overlay: setting(z.boolean(), true, {
      description: 'draw forecasts into the picture, where somebody listens',
      why: 'a wrong calibration is seen at once',
    }),
    diagnostics_period_s: setting(z.number().positive(), 1, {
      description: 'time between two messages on the diagnostics topic',
      unit: 's',
      why: 'the rate that diagnostic aggregators expect',
    }),
  })
  .prefault({});
