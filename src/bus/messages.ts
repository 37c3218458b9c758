import type { TimeMessage } from '../core/time.js';

/*
 * The ROS 2 messages that this project speaks, as plain objects with ROS field names. Our own minimal types, because rclnodejs's exist only
 * on a machine where ROS 2 is sourced. Arrays may arrive typed (Float64Array) or plain; both are read, plain ones are written.
 */

export type Numbers = ArrayLike<number>;

export interface Header {
  stamp: TimeMessage;
  frame_id: string;
}

export interface Image {
  header: Header;
  height: number;
  width: number;
  encoding: string;
  is_bigendian: number;
  step: number;
  data: Uint8Array;
}

export interface CompressedImage {
  header: Header;
  format: string;
  data: Uint8Array;
}

export interface CameraInfo {
  header: Header;
  height: number;
  width: number;
  distortion_model: string;
  d: Numbers;
  k: Numbers;
  r: Numbers;
  p: Numbers;
  binning_x: number;
  binning_y: number;
  roi: { x_offset: number; y_offset: number; height: number; width: number; do_rectify: boolean };
}

export interface JointStateMessage {
  header: Header;
  name: string[];
  position: Numbers;
  velocity: Numbers;
  effort: Numbers;
}

export interface Vector3Message {
  x: number;
  y: number;
  z: number;
}

export interface QuaternionMessage extends Vector3Message {
  w: number;
}

export interface PoseMessage {
  position: Vector3Message;
  orientation: QuaternionMessage;
}

export interface TransformStampedMessage {
  header: Header;
  child_frame_id: string;
  transform: { translation: Vector3Message; rotation: QuaternionMessage };
}

export interface TFMessage {
  transforms: TransformStampedMessage[];
}

export interface Float64Message {
  data: number;
}

export interface StringMessage {
  data: string;
}

/** Used for clicked pixels: x and y are pixels, header.frame_id the camera's optical frame. */
export interface PointStampedMessage {
  header: Header;
  point: Vector3Message;
}

export interface JointTrajectoryPoint {
  positions: Numbers;
  velocities: Numbers;
  accelerations: Numbers;
  effort: Numbers;
  time_from_start: TimeMessage;
}

export interface JointTrajectory {
  header: Header;
  joint_names: string[];
  points: JointTrajectoryPoint[];
}

export interface ColorRGBA {
  r: number;
  g: number;
  b: number;
  a: number;
}

export interface Marker {
  header: Header;
  ns: string;
  id: number;
  type: number;
  action: number;
  pose: PoseMessage;
  scale: Vector3Message;
  color: ColorRGBA;
  lifetime: TimeMessage;
  frame_locked: boolean;
  points: Vector3Message[];
  colors: ColorRGBA[];
  texture_resource: string;
  texture: CompressedImage;
  uv_coordinates: { u: number; v: number }[];
  text: string;
  mesh_resource: string;
  mesh_file: { filename: string; data: Uint8Array };
  mesh_use_embedded_materials: boolean;
}

export interface MarkerArray {
  markers: Marker[];
}

export interface PathMessage {
  header: Header;
  poses: { header: Header; pose: PoseMessage }[];
}

export interface PointField {
  name: string;
  offset: number;
  datatype: number;
  count: number;
}

export interface PointCloud2 {
  header: Header;
  height: number;
  width: number;
  fields: PointField[];
  is_bigendian: boolean;
  point_step: number;
  row_step: number;
  data: Uint8Array;
  is_dense: boolean;
}

export interface DiagnosticStatus {
  level: number;
  name: string;
  message: string;
  hardware_id: string;
  values: { key: string; value: string }[];
}

export interface DiagnosticArray {
  header: Header;
  status: DiagnosticStatus[];
}

/** Simulated time. */
export interface ClockMessage {
  clock: TimeMessage;
}

/** A state or a transition of a managed node. */
export interface LifecycleLabel {
  id: number;
  label: string;
}

export interface TransitionEventMessage {
  /** Nanoseconds of a monotonic clock. */
  timestamp: bigint;
  transition: LifecycleLabel;
  start_state: LifecycleLabel;
  goal_state: LifecycleLabel;
}

export type TransitionDescriptionMessage = Omit<TransitionEventMessage, 'timestamp'>;

/** msg/QueryPoints.msg */
export interface QueryPointsMessage {
  header: Header;
  camera: string;
  pixels: Vector3Message[];
  points: Vector3Message[];
  lifted: boolean[];
  refusals: string[];
}

/** msg/PointForecast.msg */
export interface PointForecastMessage {
  header: Header;
  camera: string;
  forecaster: string;
  instruction: string;
  step_s: number;
  point_count: number;
  step_count: number;
  start: Vector3Message[];
  positions: Vector3Message[];
  visible: boolean[];
  raw_text: string;
}

/** Every message type on the bus, by its ROS 2 name. */
export interface MessageTypes {
  'std_msgs/msg/String': StringMessage;
  'std_msgs/msg/Float64': Float64Message;
  'sensor_msgs/msg/Image': Image;
  'sensor_msgs/msg/CompressedImage': CompressedImage;
  'sensor_msgs/msg/CameraInfo': CameraInfo;
  'sensor_msgs/msg/JointState': JointStateMessage;
  'sensor_msgs/msg/PointCloud2': PointCloud2;
  'tf2_msgs/msg/TFMessage': TFMessage;
  'geometry_msgs/msg/PointStamped': PointStampedMessage;
  'trajectory_msgs/msg/JointTrajectory': JointTrajectory;
  'visualization_msgs/msg/MarkerArray': MarkerArray;
  'nav_msgs/msg/Path': PathMessage;
  'diagnostic_msgs/msg/DiagnosticArray': DiagnosticArray;
  'rosgraph_msgs/msg/Clock': ClockMessage;
  'lifecycle_msgs/msg/TransitionEvent': TransitionEventMessage;
  'molmo_motion_planner/msg/QueryPoints': QueryPointsMessage;
  'molmo_motion_planner/msg/PointForecast': PointForecastMessage;
}

export type MessageType = keyof MessageTypes;

export interface ServiceTypes {
  'std_srvs/srv/Trigger': { request: Record<string, never>; response: { success: boolean; message: string } };
  'std_srvs/srv/SetBool': { request: { data: boolean }; response: { success: boolean; message: string } };
  'lifecycle_msgs/srv/ChangeState': { request: { transition: LifecycleLabel }; response: { success: boolean } };
  'lifecycle_msgs/srv/GetState': { request: Record<string, never>; response: { current_state: LifecycleLabel } };
  'lifecycle_msgs/srv/GetAvailableStates': {
    request: Record<string, never>;
    response: { available_states: LifecycleLabel[] };
  };
  'lifecycle_msgs/srv/GetAvailableTransitions': {
    request: Record<string, never>;
    response: { available_transitions: TransitionDescriptionMessage[] };
  };
}

export type ServiceType = keyof ServiceTypes;
