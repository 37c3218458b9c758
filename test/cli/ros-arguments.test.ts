import { describe, expect, it } from '@jest/globals';
import { splitRosArguments } from '../../src/cli/ros-arguments.js';
import { expectOneError, run } from './program.js';

describe('arguments of ROS', () => {
  it('stand between --ros-args and --, or the end, as often as they like', () => {
    expect(
      splitRosArguments(['node', '--ros-args', '-r', 'a:=b', '--', '--quiet', '--ros-args', '-p', 'c:=1']),
    ).toEqual({
      own: ['node', '--quiet'],
      ros: ['--ros-args', '-r', 'a:=b', '--ros-args', '-p', 'c:=1'],
    });
    expect(splitRosArguments(['info', 'x'])).toEqual({ own: ['info', 'x'], ros: [] });
  });

  it('are refused by a command that is no node', async () => {
    expectOneError(await run(['info', 'x', '--ros-args', '-p', 'a:=1']), 2, 'info is no ROS 2 node');
  });

  it('without ROS 2, node and simulate say what is missing', async () => {
    const sourced = { ROS_DISTRO: process.env['ROS_DISTRO'], AMENT_PREFIX_PATH: process.env['AMENT_PREFIX_PATH'] };
    delete process.env['ROS_DISTRO'];
    try {
      for (const command of ['node', 'simulate']) expectOneError(await run([command]), 2, 'ROS 2 is not sourced');
    } finally {
      if (sourced.ROS_DISTRO !== undefined) process.env['ROS_DISTRO'] = sourced.ROS_DISTRO;
    }
  });
});
