import { ConfigurationError, describeError } from '../../core/errors.js';

/*
 * What is used of rclnodejs, as types of our own: the package is optional, and its own types exist only after messages were generated on a machine
 * with ROS 2. Names are those of rclnodejs.
 */

export interface Rclnodejs {
  readonly Context: new (domainId?: bigint) => RclContext;
  readonly QoS: new (history: number, depth: number, reliability: number, durability: number) => RclQos;
  readonly Parameter: new (name: string, type: number, value: unknown) => RclParameter;
  readonly ParameterDescriptor: new (
    name: string,
    type: number,
    description: string,
    readOnly: boolean,
    range?: unknown,
  ) => RclParameterDescriptor;
  readonly FloatingPointRange: new (from: number, to: number, step: number) => unknown;
  readonly IntegerRange: new (from: bigint, to: bigint, step: bigint) => unknown;
  /** Jazzy and later; its constructor throws on Humble. */
  readonly SubscriptionEventCallbacks: new () => { incompatibleQos: QosEventListener };
  readonly PublisherEventCallbacks: new () => { incompatibleQos: QosEventListener };
  init(context: RclContext, argv: readonly string[]): Promise<void>;
  createNode(name: string, namespace: string, context: RclContext): RclNode;
  removeSignalHandlers(): void;
}

type QosEventListener = (event: { readonly last_policy_kind?: number; readonly total_count?: number }) => void;

export interface RclContext {
  isInitialized(): boolean;
  shutdown(): void;
}

/** Nothing is read from it. */
export type RclQos = object;

export interface RclParameter {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

export interface RclParameterDescriptor {
  additionalConstraints: string;
}

export interface RclSetResult {
  readonly successful: boolean;
  readonly reason: string;
}

export interface RclSubscription {
  readonly topic: string;
}

export interface RclPublisher {
  readonly subscriptionCount: number;
  publish(message: Buffer): void;
}

export interface RclClient {
  waitForService(timeoutMs: number): Promise<boolean>;
  isServiceServerAvailable(): boolean;
  sendRequestAsync(request: object, options: { readonly timeout: number }): Promise<object>;
}

export interface RclEndpoint {
  readonly node_name: string;
  readonly node_namespace: string;
  readonly qos_profile: { readonly depth: number; readonly reliability: number; readonly durability: number };
}

export interface RclNode {
  name(): string;
  namespace(): string;
  spin(timeoutMs: number): void;
  getClock(): { now(): { readonly nanoseconds: bigint } };
  createSubscription(
    type: string,
    topic: string,
    options: { readonly isRaw: true; readonly qos: RclQos },
    callback: (bytes: Buffer) => void,
    events?: object,
  ): RclSubscription;
  destroySubscription(subscription: RclSubscription): void;
  createPublisher(type: string, topic: string, options: { readonly qos: RclQos }, events?: object): RclPublisher;
  destroyPublisher(publisher: RclPublisher): void;
  createClient(type: string, name: string): RclClient;
  destroyClient(client: RclClient): void;
  createService(
    type: string,
    name: string,
    options: object,
    callback: (request: object, response: { send(message: object): void }) => void,
  ): object;
  destroyService(service: object): void;
  getTopicNamesAndTypes(): readonly { readonly name: string; readonly types: readonly string[] }[];
  getPublishersInfoByTopic(topic: string, noDemangle: boolean): readonly RclEndpoint[];
  resolveTopicName(name: string): string;
  resolveServiceName(name: string): string;

  getParameterOverrides(): readonly RclParameter[];
  getParameter(name: string): RclParameter;
  hasParameter(name: string): boolean;
  declareParameter(parameter: RclParameter, descriptor: RclParameterDescriptor, ignoreOverride: boolean): RclParameter;
  undeclareParameter(name: string): void;
  addPreSetParametersCallback(callback: (parameters: readonly RclParameter[]) => readonly RclParameter[]): void;
  addOnSetParametersCallback(callback: (parameters: readonly RclParameter[]) => RclSetResult): void;
}

/** Whether a shell has been told where ROS 2 is (`source /opt/ros/.../setup.bash`). */
export function isRosSourced(environment: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(environment['ROS_DISTRO'] && environment['AMENT_PREFIX_PATH']);
}

/**
 * Imports rclnodejs. Where ROS 2 is not sourced it is not even tried, because the package would start a compiler first.
 * @throws ConfigurationError `ros.not-sourced`, and `ros.rclnodejs` where the package or its native part is missing.
 */
export async function loadRclnodejs(): Promise<Rclnodejs> {
  if (!isRosSourced()) {
    throw new ConfigurationError({
      code: 'ros.not-sourced',
      message: 'ROS 2 is not sourced: ROS_DISTRO or AMENT_PREFIX_PATH is not set',
      remedy: 'run `source /opt/ros/jazzy/setup.bash` in this shell first (or that of another ROS 2 distribution)',
    });
  }
  // A variable keeps the compiler from looking for a package that is optional.
  const packageName = 'rclnodejs';
  try {
    const imported = (await import(packageName)) as { readonly default: Rclnodejs };
    return imported.default;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new ConfigurationError({
      code: 'ros.rclnodejs',
      message: isMissing
        ? 'rclnodejs is not installed: npm leaves it out where ROS 2 was not sourced'
        : `rclnodejs cannot be loaded: ${describeError(cause).split('\n')[0]!}`,
      remedy: isMissing
        ? 'run `npm ci` again in a shell where ROS 2 is sourced'
        : 'run `npm rebuild rclnodejs` in a shell where ROS 2 is sourced; it needs a C++ compiler unless a binary for this system comes with it',
      cause,
    });
  }
}
