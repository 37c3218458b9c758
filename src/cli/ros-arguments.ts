import type { Command } from 'commander';
import { ConfigurationError } from '../core/errors.js';

const BEGIN = '--ros-args';
/** Ends the arguments of ROS; what follows is the program's own again. */
const END = '--';

/** Commands that are nodes on a ROS 2 graph. */
const NODES: readonly string[] = ['node', 'simulate'];

/** Arguments as `ros2 run` and `ros2 launch` give them: names, remappings and parameters stand behind `--ros-args`. */
export function splitRosArguments(argv: readonly string[]): {
  readonly own: readonly string[];
  /** With `--ros-args`; empty where there are none. */
  readonly ros: readonly string[];
} {
  const begin = argv.indexOf(BEGIN);
  if (begin < 0) return { own: argv, ros: [] };
  const length = argv.slice(begin).indexOf(END);
  const end = length < 0 ? argv.length : begin + length;
  const rest = splitRosArguments(argv.slice(end + 1));
  return { own: [...argv.slice(0, begin), ...rest.own], ros: [...argv.slice(begin, end), ...rest.ros] };
}

/** @throws ConfigurationError `ros.arguments` where a command would not look at them. */
export function refuseRosArguments(command: Command, rosArguments: readonly string[]): void {
  if (rosArguments.length === 0 || NODES.includes(command.name())) return;
  throw new ConfigurationError({
    code: 'ros.arguments',
    message: `${command.name()} is no ROS 2 node, and takes no --ros-args`,
    remedy: `give its own options; the nodes are: ${NODES.join(', ')}`,
  });
}
