import { Command } from 'commander';
import { loadConfig } from '../../assembly/config/load-config.js';
import { VirtualClock } from '../../bus/memory/virtual-clock.js';
import { openRosBus } from '../../bus/ros/open-ros-bus.js';
import { fromSeconds } from '../../core/time.js';
import { loadArm } from '../../files/arm-file.js';
import { graphNames } from '../../runs/graph-names.js';
import { runRobotOnGraph, type GraphRunResult } from '../../runs/robot-on-graph.js';
import { drawScene } from '../../simulator/draw-scene.js';
import { loadSceneConfig } from '../../simulator/scene-config.js';
import { positiveNumber, wholeNumber } from '../arguments.js';
import { configSources, several, type ConfigCommandOptions } from '../config-options.js';
import { sceneOption, TABLETOP } from '../episode-options.js';
import { EXIT } from '../exit-codes.js';
import { interruptible } from '../interruption.js';
import { reportResult } from '../json-report.js';
import { print, say } from '../terminal.js';

interface SimulateOptions extends ConfigCommandOptions {
  readonly scene?: string;
  readonly seed: number;
  readonly rate: number;
  readonly timeLimit?: number;
  readonly json?: string;
}

/** Stamps look like those of a robot. */
const START = fromSeconds(1_700_000_000);
const DEFAULT_SEED = 1_000_000;
/** The arm that is simulated. */
const SIMULATED_ARM = 'fr3';

export function simulateCommand(rosArguments: readonly string[]): Command {
  return new Command('simulate')
    .description(
      'be a robot on a ROS 2 graph: the simulated arm with its cameras, joint states, transforms and /clock, which takes trajectories and gripper widths',
    )
    .option('--config <file>', "configuration of the node; its topics are the robot's")
    .option('--set <path=value>', 'one setting of it; repeatable', several)
    .option('--seed <n>', 'of the scene', wholeNumber, DEFAULT_SEED)
    .addOption(sceneOption(TABLETOP))
    .option(
      '--rate <factor>',
      'simulated seconds in a second, as far as the computer is fast enough',
      positiveNumber,
      1,
    )
    .option('--time-limit <seconds>', 'end after so many simulated seconds, or when the task is done', positiveNumber)
    .option('--json <file>', 'write the result; - for stdout, in place of the text')
    .addHelpText(
      'after',
      '\nNodes that listen to it run with the parameter use_sim_time:=true. With --time-limit the exit code is 5 when the task was not done.',
    )
    .action((options: SimulateOptions) => simulate(options, rosArguments));
}

async function simulate(options: SimulateOptions, rosArguments: readonly string[]): Promise<void> {
  const [loaded, scenes, arm] = await Promise.all([
    loadConfig(configSources(options, {})),
    loadSceneConfig(options.scene),
    loadArm(SIMULATED_ARM),
  ]);
  const clock = new VirtualClock(START);
  const { bus, ros } = await openRosBus({ name: 'simulated_robot', rosArguments, clock });
  try {
    const scene = drawScene(scenes, options.seed);
    const own = {
      topic: (name: string) => ros.topic(toNode(name)),
      service: (name: string) => ros.service(toNode(name)),
    };
    const { topics } = graphNames(loaded, own).values as unknown as { readonly topics: typeof loaded.config.topics };
    say(`${ros.fullName} is on the graph; its task: ${scene.task.instruction}`);
    const result = await interruptible((signal) =>
      runRobotOnGraph({
        bus,
        clock,
        topics,
        arm,
        scene,
        rate: options.rate,
        timeLimitS: options.timeLimit ?? Number.POSITIVE_INFINITY,
        signal,
        onSuccess: (atS) => {
          say(`done after ${atS.toFixed(1)} s: the object rests in its receptacle`);
        },
      }),
    );
    await reportResult(options.json, result, () => {
      show(result);
    });
    if (options.timeLimit !== undefined && !result.success) process.exitCode = EXIT.failed;
  } finally {
    await bus.close();
  }
}

/** Names below the node that plans lie beside this one. */
function toNode(name: string): string {
  return name.replace(/^~\//, 'molmo_motion/');
}

function show({ success, reflex, simulatedS, wallS }: GraphRunResult): void {
  print(
    `${success ? 'done' : 'not done'} after ${simulatedS.toFixed(1)} s simulated in ${wallS.toFixed(1)} s${reflex === null ? '' : `; the arm stands, because ${reflex}`}`,
  );
}
