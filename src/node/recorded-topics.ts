import { DEFAULT_QOS, LATCHED_QOS, SENSOR_QOS, STATIC_TF_QOS, type Qos } from '../bus/bus.js';
import type { MessageType } from '../bus/messages.js';
import type { Recorder } from '../recordings/recorder.js';
import { OUTPUT_TOPICS } from './planner-options.js';

const OUTPUTS: readonly (readonly [string, MessageType])[] = [
  [OUTPUT_TOPICS.queryPoints, 'molmo_motion_planner/msg/QueryPoints'],
  [OUTPUT_TOPICS.forecast, 'molmo_motion_planner/msg/PointForecast'],
  [OUTPUT_TOPICS.markers, 'visualization_msgs/msg/MarkerArray'],
  [OUTPUT_TOPICS.path, 'nav_msgs/msg/Path'],
  [OUTPUT_TOPICS.points, 'sensor_msgs/msg/PointCloud2'],
  [OUTPUT_TOPICS.chunk, 'trajectory_msgs/msg/JointTrajectory'],
  [OUTPUT_TOPICS.command, 'trajectory_msgs/msg/JointTrajectory'],
  [OUTPUT_TOPICS.gripper, 'std_msgs/msg/Float64'],
  [OUTPUT_TOPICS.agreement, 'std_msgs/msg/Float64'],
  [OUTPUT_TOPICS.overlay, 'sensor_msgs/msg/CompressedImage'],
  [OUTPUT_TOPICS.diagnostics, 'diagnostic_msgs/msg/DiagnosticArray'],
];

/** Everything that the planner says. */
export function recordOutputs(recorder: Recorder): void {
  for (const [topic, type] of OUTPUTS) recorder.record(topic, type);
}

/** Everything that a robot says that publishes as drivers do: pictures best-effort, what does not change latched. */
export function recordRobot(
  recorder: Recorder,
  topics: readonly { readonly topic: string; readonly type: MessageType }[],
): void {
  for (const { topic, type } of topics) recorder.record(topic, type, qosOf(topic, type));
}

function qosOf(topic: string, type: MessageType): Qos {
  if (topic === '/tf_static') return STATIC_TF_QOS;
  if (type === 'std_msgs/msg/String') return LATCHED_QOS;
  return type === 'sensor_msgs/msg/Image' || type === 'sensor_msgs/msg/CameraInfo' ? SENSOR_QOS : DEFAULT_QOS;
}
