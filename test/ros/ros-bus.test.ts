/** @jest-environment ./test/ros/native-environment.js */
import { describe, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRosBus } from '../../src/bus/ros/open-ros-bus.js';
import { describeBusContract } from '../bus/bus-contract.js';
import { TEST_DOMAIN, useNativeRclnodejs } from './native-rclnodejs.js';

/** Discovery and delivery within one machine take a few milliseconds; the rest is for a busy one. */
const SETTLING_MS = 400;

if (useNativeRclnodejs()) {
  describeBusContract('ROS 2 graph', async () => {
    const { bus } = await openRosBus({ name: 'contract', rosArguments: [], domainId: TEST_DOMAIN });
    return { bus, settle: () => sleep(SETTLING_MS) };
  });
} else {
  describe.skip('bus contract: ROS 2 graph', () => {
    it('skipped: ROS 2 is not sourced', () => undefined);
  });
}
