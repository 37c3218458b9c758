import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { configParameters, parameterLayer } from '../../assembly/config/parameters.js';
import { configLayers, parseLayers } from '../../assembly/config/load-config.js';
import type { Layer } from '../../assembly/config/layers.js';
import { modelsOf } from '../../assembly/model-source.js';
import { openRosBus } from '../../bus/ros/open-ros-bus.js';
import type { RosBus } from '../../bus/ros/ros-bus.js';
import type { RosNode } from '../../bus/ros/ros-node.js';
import { RosParameters } from '../../bus/ros/ros-parameters.js';
import { PlannerError } from '../../core/errors.js';
import { loadArm } from '../../files/arm-file.js';
import { graphNames } from '../../runs/graph-names.js';
import { GraphTruth } from '../../runs/graph-truth.js';
import { RobotNode } from '../../runs/robot-node.js';
import { monotonicTime, robotWorld } from '../../runs/robot-world.js';
import { drawScene } from '../../simulator/draw-scene.js';
import { loadSceneConfig } from '../../simulator/scene-config.js';
import { wholeNumber } from '../arguments.js';
import { configSources, withConfigOptions, withPlanningOptions, type ConfigCommandOptions } from '../config-options.js';
import { interruptible } from '../interruption.js';
import { complain, formatError, say } from '../terminal.js';

interface NodeCommandOptions extends ConfigCommandOptions {
  readonly autostart: boolean;
  /** Of the scene that `molmo-motion simulate` plays. */
  readonly simulatedScene?: number;
}

const NODE_NAME = 'molmo_motion';
/** In which a graph of some dozen nodes is discovered. */
const DISCOVERY_MS = 1000;
/** Drivers take seconds to start, and may be started after this node. */
const WAITING_FOR: ReadonlySet<string> = new Set(['camera.none', 'camera.topic', 'camera.unknown', 'policy.camera']);

export function nodeCommand(rosArguments: readonly string[]): Command {
  const command = new Command('node').description(
    'run on a ROS 2 graph as a managed node; nothing moves before its start service is called, and nothing is sent while execution.dry_run is true',
  );
  return withPlanningOptions(withConfigOptions(command))
    .option('--no-autostart', 'wait for somebody who configures and activates the node (a lifecycle manager)')
    .option(
      '--simulated-scene <seed>',
      'the robot is `molmo-motion simulate --seed SEED`: the true future and masks of its object are known, and its preset holds',
      wholeNumber,
    )
    .addHelpText(
      'after',
      '\nBehind --ros-args stand names, remappings and parameters, as for every ROS 2 node. Every setting of the configuration is a parameter of the\nsame name: --ros-args -p execution.dry_run:=false --params-file robot.yaml.',
    )
    .action((options: NodeCommandOptions) => runNode(options, rosArguments));
}

/** Runs until it is told to end. @throws ConfigurationError `ros.*`, `config.*`. */
async function runNode(options: NodeCommandOptions, rosArguments: readonly string[]): Promise<void> {
  await interruptible(async (signal) => {
    const { bus, ros } = await openRosBus({ name: NODE_NAME, rosArguments });
    try {
      const node = await openNode(options, bus, ros);
      try {
        tellFaults(bus, node);
        say(`${ros.fullName} is on the graph`);
        if (options.autostart) await autostart(node, signal);
        await ended(signal);
        say('ending: the arm is led to a stand');
      } finally {
        await node.close();
      }
    } finally {
      await bus.close();
    }
  });
}

async function openNode(options: NodeCommandOptions, bus: RosBus, ros: RosNode): Promise<RobotNode> {
  const parameters = new RosParameters(ros);
  const { simulatedScene: seed } = options;
  const written: readonly Layer[] = [
    ...(await configLayers(configSources(options, seed === undefined ? {} : { preset: 'simulator' }))),
    ...parameters.given.map(({ name, value }) => parameterLayer(name, value)),
  ];
  const monotonicS = monotonicTime(bus);
  const truth =
    seed === undefined ? null : new GraphTruth(bus, await loadArm('fr3'), drawScene(await loadSceneConfig(), seed));
  const node = new RobotNode({
    bus,
    name: ros.fullName,
    layers: [...written, graphNames(parseLayers(written), ros)],
    models: modelsOf,
    world: (models) => robotWorld(bus, { monotonicS, topics: bus.graphTopics(), models, truth }),
  });
  parameters.declare(configParameters(node.config));
  parameters.allowSetting((name, value) => {
    node.set(name, value);
  });
  return node;
}

/** Configures and activates, and waits for cameras that have not come yet. Another error leaves the node where it is, for whoever mends it. */
async function autostart({ lifecycle }: RobotNode, signal: AbortSignal): Promise<void> {
  await lifecycle.change('configure');
  let told = '';
  for (;;) {
    await sleep(DISCOVERY_MS);
    if (signal.aborted || lifecycle.state !== 'inactive') return;
    try {
      await lifecycle.change('activate');
      say('active: forecasting; nothing moves before the start service is called');
      return;
    } catch (error) {
      if (!(error instanceof PlannerError) || !WAITING_FOR.has(error.code)) return;
      if (error.message !== told) say(`waiting: ${error.message}`);
      told = error.message;
    }
  }
}

/** The first fault of each kind; all of them are counted on the diagnostics topic. */
function tellFaults(bus: RosBus, node: RobotNode): void {
  const told = new Set<string>();
  const tell = (error: unknown): void => {
    const kind = error instanceof PlannerError ? `${error.code} ${error.message}` : 'unexpected';
    if (told.has(kind) || (error instanceof PlannerError && WAITING_FOR.has(error.code))) return;
    told.add(kind);
    complain(formatError(error, false));
  };
  bus.problems.subscribe(tell);
  node.failures.subscribe(tell);
  node.lifecycle.failures.subscribe(tell);
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    // A pending signal alone does not keep the process alive; the middleware's thread does.
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
