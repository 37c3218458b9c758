import { jest } from '@jest/globals';
import { isRosSourced } from '../../src/bus/ros/rclnodejs.js';

/** A domain that nobody else uses: 0 is everybody's, and those above 101 meet the ports that Linux hands out. */
export const TEST_DOMAIN = 87;

/** Lets modules that are imported later find the rclnodejs that the test environment loaded. @returns whether ROS 2 is there; says so if not. */
export function useNativeRclnodejs(): boolean {
  if (!isRosSourced()) {
    process.stderr.write('skipped: ROS 2 is not sourced\n');
    return false;
  }
  jest.unstable_mockModule('rclnodejs', () => ({
    default: (globalThis as unknown as { readonly rclnodejs: unknown }).rclnodejs,
  }));
  return true;
}
