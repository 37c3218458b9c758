import { ConfigurationError } from '../../core/errors.js';
import { fromSeconds, fromTimeMessage, type Nanoseconds } from '../../core/time.js';
import { decodeCdr } from '../cdr.js';
import type { Clock } from '../clock.js';
import { VirtualClock } from '../memory/virtual-clock.js';
import { toRclQos } from './ros-qos.js';
import { RosBus } from './ros-bus.js';
import { RosNode, type RosNodeOptions } from './ros-node.js';
import { SystemClock } from './system-clock.js';

export interface OpenRosBusOptions extends RosNodeOptions {
  /** Time that this process makes itself, and publishes; left out, it is the system's or, with `use_sim_time`, what comes on /clock. */
  readonly clock?: VirtualClock;
}

/** /clock comes at 10 to 1000 Hz; a step that is longer than this was a seek. */
const LONGEST_STEP = fromSeconds(1);
const CLOCK_WAIT_MS = 10_000;

/**
 * A bus on the ROS 2 graph. With the parameter `use_sim_time` its clock is /clock, and opening waits for the first message of it.
 * @throws ConfigurationError `ros.*`; `ros.clock` where nobody publishes /clock.
 */
export async function openRosBus(options: OpenRosBusOptions): Promise<{ readonly bus: RosBus; readonly ros: RosNode }> {
  const ros = await RosNode.open(options);
  try {
    const clock = options.clock ?? (isSimulated(ros) ? await graphClock(ros) : systemClock(ros));
    return {
      ros,
      bus: new RosBus(ros, clock, () => {
        clock.close();
      }),
    };
  } catch (error) {
    ros.close();
    throw error;
  }
}

type ClosableClock = Clock & { close(): void };

function isSimulated({ node }: RosNode): boolean {
  return node.hasParameter('use_sim_time') && node.getParameter('use_sim_time').value === true;
}

function systemClock({ node }: RosNode): ClosableClock {
  const clock = node.getClock();
  return new SystemClock(() => clock.now().nanoseconds);
}

async function graphClock({ rcl, node }: RosNode): Promise<ClosableClock> {
  let clock: VirtualClock | null = null;
  await new Promise<void>((resolve, reject) => {
    const timeout = setTimeout(() => {
      reject(
        new ConfigurationError({
          code: 'ros.clock',
          message: `use_sim_time is true, and nobody published /clock within ${CLOCK_WAIT_MS / 1000} s`,
          remedy: 'start the simulator or `ros2 bag play --clock` first, or set use_sim_time to false',
        }),
      );
    }, CLOCK_WAIT_MS);
    const qos = toRclQos(rcl, { reliability: 'best_effort', durability: 'volatile', depth: 1 });
    node.createSubscription('rosgraph_msgs/msg/Clock', '/clock', { isRaw: true, qos }, (bytes) => {
      const now = fromTimeMessage(decodeCdr('rosgraph_msgs/msg/Clock', bytes).clock);
      if (clock) follow(clock, now);
      else {
        clock = new VirtualClock(now);
        clearTimeout(timeout);
        resolve();
      }
    });
  });
  return clock!;
}

function follow(clock: VirtualClock, now: Nanoseconds): void {
  if (now - clock.now() > LONGEST_STEP) clock.jumpTo(now);
  else clock.advanceTo(now);
}
