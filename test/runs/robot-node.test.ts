import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ModelSource } from '../../src/assembly/model-source.js';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { DEFAULT_QOS } from '../../src/bus/bus.js';
import { ConfigurationError, PlannerError } from '../../src/core/errors.js';
import { fromSeconds } from '../../src/core/time.js';
import { loadArm } from '../../src/files/arm-file.js';
import { RobotNode } from '../../src/runs/robot-node.js';
import { monotonicTime, robotWorld } from '../../src/runs/robot-world.js';
import { drawScene } from '../../src/simulator/draw-scene.js';
import { loadSceneConfig } from '../../src/simulator/scene-config.js';
import { SimulatedRobot } from '../../src/simulator/simulated-robot.js';
import { Simulation } from '../../src/simulator/simulation.js';

const NAME = '/molmo_motion';
const fr3 = await loadArm('fr3');
const scenes = await loadSceneConfig();

let clock: VirtualClock;
let bus: MemoryBus<VirtualClock>;
let node: RobotNode;
let failures: string[];
let events: string[];
let opened: number;
let simulation: Simulation | null = null;

/** No bundle is asked for; what is opened and closed is counted. */
const models = (): ModelSource => {
  opened++;
  const none = (): never => {
    throw new ConfigurationError({ code: 'test', message: 'there is no bundle', remedy: '' });
  };
  return {
    forecaster: none,
    policy: none,
    close: () => {
      opened--;
      return Promise.resolve();
    },
  };
};

function makeNode(values: Parameters<typeof RobotNode.prototype.set>[1] | null = null): RobotNode {
  const monotonicS = monotonicTime(bus);
  return new RobotNode({
    bus,
    name: NAME,
    layers: [
      {
        origin: 'test',
        values: {
          planning: { planner: 'rigid' },
          ...(values !== null && { forecasting: { forecaster: String(values) } }),
        },
      },
    ],
    models,
    world: (source) =>
      robotWorld(bus, {
        monotonicS,
        topics: bus.topics.map(({ topic, type }) => ({ topic, type, qos: DEFAULT_QOS })),
        models: source,
        truth: null,
      }),
  });
}

beforeEach(() => {
  clock = new VirtualClock(fromSeconds(100));
  bus = new MemoryBus(clock);
  [failures, events, opened] = [[], [], 0];
  bus
    .subscribe(`${NAME}/transition_event`, 'lifecycle_msgs/msg/TransitionEvent')
    .subscribe(({ message }) => events.push(`${message.start_state.label} -> ${message.goal_state.label}`));
  node = makeNode();
  node.lifecycle.failures.subscribe((error) =>
    failures.push(error instanceof PlannerError ? error.code : String(error)),
  );
});
afterEach(async () => {
  await node.close();
  await bus.close();
  simulation?.close();
  simulation = null;
});

async function startRobot(): Promise<void> {
  simulation = await Simulation.create(fr3, drawScene(scenes, 1));
  new SimulatedRobot(bus, fr3, simulation, {
    topics: {
      command: '/molmo_motion/command',
      gripper: '/molmo_motion/gripper_width',
      mode: '/molmo_motion/robot_mode',
    },
    periodS: 1 / 15,
    noise: null,
  });
}

/** As `ros2 lifecycle set` does it. */
const change = async (label: string): Promise<boolean> =>
  (await bus.call(`${NAME}/change_state`, 'lifecycle_msgs/srv/ChangeState', { transition: { id: 0, label } })).success;
const state = async (): Promise<string> =>
  (await bus.call(`${NAME}/get_state`, 'lifecycle_msgs/srv/GetState', {})).current_state.label;
const start = (): Promise<{ success: boolean; message: string }> =>
  bus.call(`${NAME}/start`, 'std_srvs/srv/Trigger', {});

describe('the node as a managed node', () => {
  it('goes from state to state from outside, opens its models once and closes them', async () => {
    await startRobot();
    expect(await state()).toBe('unconfigured');
    expect([await change('configure'), await state(), opened]).toEqual([true, 'inactive', 1]);
    expect([await change('activate'), await state()]).toEqual([true, 'active']);
    expect([await change('deactivate'), await change('activate'), opened]).toEqual([true, true, 1]);
    expect([await change('deactivate'), await change('cleanup'), await state(), opened]).toEqual([
      true,
      true,
      'unconfigured',
      0,
    ]);
    expect([await change('shutdown'), await state()]).toEqual([true, 'finalized']);
    expect(events.slice(0, 4)).toEqual([
      'unconfigured -> configuring',
      'configuring -> inactive',
      'inactive -> activating',
      'activating -> active',
    ]);
    expect(failures).toEqual([]);
  });

  it('takes transitions by their numbers, and lists those that there are', async () => {
    await startRobot();
    const { available_transitions: list } = await bus.call(
      `${NAME}/get_available_transitions`,
      'lifecycle_msgs/srv/GetAvailableTransitions',
      {},
    );
    // Numbers of lifecycle_msgs/msg/Transition.
    expect(list.map(({ transition }) => transition)).toEqual([
      { id: 1, label: 'configure' },
      { id: 5, label: 'shutdown' },
    ]);
    const { success } = await bus.call(`${NAME}/change_state`, 'lifecycle_msgs/srv/ChangeState', {
      transition: { id: 1, label: '' },
    });
    expect([success, await state()]).toEqual([true, 'inactive']);
  });

  it('stays where it is when a way does not exist or a step fails, and says why', async () => {
    expect([await change('activate'), await state()]).toEqual([false, 'unconfigured']);
    await change('configure');
    expect([await change('activate'), await state()]).toEqual([false, 'inactive']);
    expect(failures).toEqual(['lifecycle.transition', 'camera.none']);
    await startRobot();
    expect([await change('activate'), await state()]).toEqual([true, 'active']);
  });

  it('opens no model in vain: a bundle that cannot be opened leaves the node unconfigured and nothing open', async () => {
    await node.close();
    node = makeNode('.');
    expect([await change('configure'), await state(), opened]).toEqual([false, 'unconfigured', 0]);
  });

  it('moves nothing before it is started, and is stopped when it is deactivated', async () => {
    await startRobot();
    await change('configure');
    await change('activate');
    const phases: (string | undefined)[] = [];
    for (let tick = 1; tick < 4; tick++) clock.advanceTo(fromSeconds(100 + tick / 15));
    phases.push(node.assembly?.status?.phase);
    expect((await start()).message).toContain('dry run');
    phases.push(node.assembly?.status?.phase);
    const leaving = change('deactivate');
    for (let tick = 4; tick < 40 && node.assembly; tick++) {
      clock.advanceTo(fromSeconds(100 + tick / 15));
      await new Promise(setImmediate);
    }
    expect([...phases, await leaving, await state()]).toEqual(['idle', 'active', true, 'inactive']);
    await expect(start()).rejects.toThrow('nobody serves');
  });
});

describe('its settings', () => {
  it('can all change before it is configured', () => {
    node.set('execution.latency_s', 0.2);
    expect(node.config.execution.latency_s).toBe(0.2);
  });

  it('that are live change while it is active; others are refused with the way to change them', async () => {
    await startRobot();
    await change('configure');
    await change('activate');
    node.set('instruction.text', 'Put the red cube in the bowl');
    expect(node.assembly!.instruction).toBe('Put the red cube in the bowl');
    node.set('execution.dry_run', false);
    expect(node.assembly!.status!.dryRun).toBe(false);
    expect(() => {
      node.set('execution.latency_s', 0.2);
    }).toThrow('execution.latency_s cannot change while the node is active');
    expect(node.config.execution.latency_s).toBe(0.1);
  });

  it('are refused with the reason when the arm moves', async () => {
    await startRobot();
    await change('configure');
    await change('activate');
    for (let tick = 1; tick < 4; tick++) clock.advanceTo(fromSeconds(100 + tick / 15));
    await start();
    expect(() => {
      node.set('execution.dry_run', false);
    }).toThrow('execution.dry_run cannot change now: the arm is active');
    expect(node.config.execution.dry_run).toBe(true);
  });

  it('are refused with what is allowed', () => {
    expect(() => {
      node.set('execution.mode', 'fast');
    }).toThrow('one of asynchronous, synchronous');
    expect(node.config.execution.mode).toBe('asynchronous');
  });
});
