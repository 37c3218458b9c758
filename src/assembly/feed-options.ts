import type { Arm } from '../core/arm.js';
import type { CameraTopics } from '../node/camera-topics.js';
import type { SensorFeedOptions } from '../node/sensor-feed.js';
import type { NodeConfig } from './config/node-config.js';

/** What the configuration alone tells of what is heard. Whoever hears a recording takes it from here, so that all of them hear the same. */
export function feedOptions(
  config: NodeConfig,
  arm: Arm,
  cameras: readonly CameraTopics[],
): Omit<SensorFeedOptions, 'forecastCamera' | 'window'> {
  const { prefix, joints } = config.arm;
  return {
    topics: config.topics,
    cameras,
    arm: {
      joints: joints === 'auto' ? null : joints,
      ownJoints: arm.joints.map(({ name }) => prefix + name),
    },
    instruction: config.instruction.text,
    maxIntervalS: config.sensing.max_interval_s,
    depthScaleM: config.sensing.depth_scale_m,
  };
}

/** Names of the arm's base and hand in the transform tree. */
export function framesOf(
  { frames, arm: { prefix } }: NodeConfig,
  { links }: Arm,
): { readonly base: string; readonly hand: string } {
  return {
    base: frames.base === 'auto' ? prefix + links.base : frames.base,
    hand: frames.hand === 'auto' ? prefix + links.hand : frames.hand,
  };
}
