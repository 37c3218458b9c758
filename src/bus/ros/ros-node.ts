import { ConfigurationError, describeError } from '../../core/errors.js';
import { loadRclnodejs, type RclContext, type Rclnodejs, type RclNode } from './rclnodejs.js';

export interface RosNodeOptions {
  readonly name: string;
  /** What stands behind `--ros-args`, with it: names, remappings, parameters. */
  readonly rosArguments: readonly string[];
  /** In place of ROS_DOMAIN_ID. */
  readonly domainId?: number;
}

/** Longest time that the middleware's thread waits before it looks whether there is something new to wait for. */
const SPIN_TIMEOUT_MS = 10;

/** A node on a ROS 2 graph. One process may have several, each in a context of its own. */
export class RosNode {
  readonly rcl: Rclnodejs;
  readonly node: RclNode;
  readonly #context: RclContext;

  private constructor(rcl: Rclnodejs, context: RclContext, node: RclNode) {
    this.rcl = rcl;
    this.#context = context;
    this.node = node;
  }

  /** @throws ConfigurationError `ros.not-sourced`, `ros.rclnodejs`, and `ros.arguments` for arguments that ROS does not understand. */
  static async open({ name, rosArguments, domainId }: RosNodeOptions): Promise<RosNode> {
    const rcl = await loadRclnodejs();
    const context = domainId === undefined ? new rcl.Context() : new rcl.Context(BigInt(domainId));
    try {
      await rcl.init(context, [...rosArguments]);
      // It would end the middleware at Ctrl-C before the arm was led to a stand.
      rcl.removeSignalHandlers();
      const node = rcl.createNode(name, '', context);
      node.spin(SPIN_TIMEOUT_MS);
      return new RosNode(rcl, context, node);
    } catch (cause) {
      if (context.isInitialized()) context.shutdown();
      throw new ConfigurationError({
        code: 'ros.arguments',
        message: `the ROS 2 node ${name} cannot be opened with "${rosArguments.join(' ')}": ${describeError(cause).split('\n')[0]!}`,
        remedy: 'check what stands behind --ros-args, the parameter file, and RMW_IMPLEMENTATION',
        cause,
      });
    }
  }

  /** Such as `/left/molmo_motion`. */
  get fullName(): string {
    const namespace = this.node.namespace();
    return `${namespace === '/' ? '' : namespace}/${this.node.name()}`;
  }

  /** A topic's name on the graph, with namespace and remappings. */
  topic(name: string): string {
    return this.node.resolveTopicName(name);
  }

  /** A service's name on the graph, with namespace and remappings. */
  service(name: string): string {
    return this.node.resolveServiceName(name);
  }

  close(): void {
    if (this.#context.isInitialized()) this.#context.shutdown();
  }
}
