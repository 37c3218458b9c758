import { TestEnvironment } from 'jest-environment-node';

/**
 * Loads rclnodejs outside of the test runner's own module system, which cannot load its mixture of module kinds, and hands it to the tests as
 * `globalThis.rclnodejs`. Where ROS 2 is not sourced there is nothing to hand over.
 */
export default class NativeEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    if (!process.env.ROS_DISTRO || !process.env.AMENT_PREFIX_PATH) return;
    // Read by the middleware when it starts: nothing leaves this machine.
    process.env.ROS_AUTOMATIC_DISCOVERY_RANGE = 'LOCALHOST';
    this.global.rclnodejs = (await import('rclnodejs')).default;
  }
}
