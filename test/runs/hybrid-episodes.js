// Hybrid episodes on the compiled code, which casts its pictures many times as fast as the test runner would. The policy is a double: it answers with
// the actions that were recorded in an earlier episode of the same scene, from the grasp on.
// Usage: node hybrid-episodes.js FIRST_SEED COUNT. Prints one line of JSON for each episode.
import { parseLayers } from '../../dist/assembly/config/load-config.js';
import { readPreset } from '../../dist/assembly/config/config-files.js';
import { FRANKA_HAND } from '../../dist/core/gripper.js';
import { loadArm } from '../../dist/files/arm-file.js';
import { ActionExpertPolicy } from '../../dist/planning/action-expert-policy.js';
import { runEpisode } from '../../dist/runs/episode.js';
import { loadSceneConfig } from '../../dist/simulator/scene-config.js';

const STEP_S = 1 / 15;
const HORIZON = 16;
const EXECUTED = 8;
const JOINTS = 7;

/** Actions that brought the object into its receptacle in an earlier episode of the same scene, from the one on after which it was held. */
async function recordedActions(options) {
  const actions = [];
  let isHeld = false;
  const { success } = await runEpisode({
    ...options,
    config: configOf('rigid'),
    watch: ({ assembly }) => {
      assembly.commands.subscribe(({ step }) => {
        if (step && isHeld) actions.push(step.action);
        isHeld ||= assembly.isHolding;
      });
    },
  });
  if (!success) throw new Error(`there is nothing to be learnt from seed ${options.seed}`);
  return actions;
}

class RecordedPolicy {
  stateSize = JOINTS + 1;
  actionSize = JOINTS + 1;
  horizon = HORIZON;
  stepS = STEP_S;
  state = { mode: 'identity' };
  action = { mode: 'identity' };
  queries = 0;
  #actions;

  constructor(actions) {
    this.#actions = actions;
  }

  act() {
    // Executed as the published policies are, eight of sixteen: the next query goes on where these were left off.
    const from = EXECUTED * this.queries++;
    const row = (i) => this.#actions[Math.min(from + i, this.#actions.length - 1)];
    return Promise.resolve({
      actions: Float32Array.from(Array.from({ length: HORIZON }, (_, i) => row(i)).flat()),
      inputIds: [],
      timings: { total: 0 },
    });
  }
}

/** The largest share of its velocity and acceleration limits that any joint's commands take up, from tick to tick. */
function shares(arm, commands) {
  const largest = { velocity: 0, acceleration: 0 };
  for (let k = 2; k < commands.length; k++) {
    const [a, b, c] = [commands[k - 2], commands[k - 1], commands[k]];
    arm.joints.forEach(({ velocity, acceleration }, j) => {
      const [before, after] = [(b[j] - a[j]) / STEP_S, (c[j] - b[j]) / STEP_S];
      largest.velocity = Math.max(largest.velocity, Math.abs(after) / velocity);
      largest.acceleration = Math.max(largest.acceleration, Math.abs(after - before) / STEP_S / acceleration);
    });
  }
  return largest;
}

const [first, count] = process.argv.slice(2).map(Number);
const [arm, scenes, preset] = await Promise.all([loadArm('fr3'), loadSceneConfig(), readPreset('simulator')]);
const configOf = (planner) => parseLayers([...preset, { origin: 'test', values: { planning: { planner } } }]).config;

for (let seed = first; seed < first + count; seed++) {
  const options = {
    models: {
      policy: () => Promise.resolve({ policy: new ActionExpertPolicy(network), input }),
      forecaster: () => Promise.reject(new Error('no bundle forecasts here')),
      close: () => Promise.resolve(),
    },
    scenes,
    seed,
    timeLimitS: 60,
    clock: 'virtual',
    keepRecording: 'always',
  };
  const network = new RecordedPolicy(await recordedActions(options));
  const input = {
    cameras: ['exo_camera_1', 'wrist_camera'],
    observationSteps: 1,
    observationStepDelta: 1,
    executedSteps: 8,
    actions: 'joint_pos',
    gripper: FRANKA_HAND,
  };
  const commands = [];
  const result = await runEpisode({
    ...options,
    // Any folder: the policy is the double.
    config: configOf('hybrid:.'),
    watch: ({ assembly }) => {
      // Ticks without a command are those of the curve that was sent before.
      let seen = 0;
      assembly.commands.subscribe(({ timeline, tick }) => {
        for (; seen <= tick; seen++) commands.push(timeline.tick(seen).positions);
      });
    },
  });
  const { success, failure, stops, limited } = result;
  const line = { seed, success, failure, stops, limited, queries: network.queries, shares: shares(arm, commands) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
