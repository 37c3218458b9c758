/** Names on the bus by what they are for, as they are unless a configuration says otherwise. */
export const DEFAULT_TOPICS = {
  instruction: '/instruction',
  joints: '/joint_states',
  tf: '/tf',
  tf_static: '/tf_static',
  click: '/molmo_motion/click',
  robot_mode: '/molmo_motion/robot_mode',
  query_points: '/molmo_motion/query_points',
  forecast: '/molmo_motion/forecast',
  markers: '/molmo_motion/markers',
  forecast_path: '/molmo_motion/forecast_path',
  points: '/molmo_motion/points',
  chunk: '/molmo_motion/chunk',
  command: '/molmo_motion/command',
  command_preview: '/molmo_motion/command_preview',
  gripper: '/molmo_motion/gripper_width',
  agreement: '/molmo_motion/agreement',
  overlay: '/molmo_motion/overlay/compressed',
  diagnostics: '/diagnostics',
  start: '/molmo_motion/start',
  stop: '/molmo_motion/stop',
  dry_run: '/molmo_motion/dry_run',
  gripper_test: '/molmo_motion/gripper_test',
} as const;

export type TopicRole = keyof typeof DEFAULT_TOPICS;
/** The name of every topic and service that the node uses. */
export type NodeTopics = Readonly<Record<TopicRole, string>>;

/** What the node publishes, with its type. */
export const OUTPUT_TYPES = {
  query_points: 'molmo_motion_planner/msg/QueryPoints',
  forecast: 'molmo_motion_planner/msg/PointForecast',
  markers: 'visualization_msgs/msg/MarkerArray',
  forecast_path: 'nav_msgs/msg/Path',
  points: 'sensor_msgs/msg/PointCloud2',
  chunk: 'trajectory_msgs/msg/JointTrajectory',
  command: 'trajectory_msgs/msg/JointTrajectory',
  command_preview: 'trajectory_msgs/msg/JointTrajectory',
  gripper: 'std_msgs/msg/Float64',
  agreement: 'std_msgs/msg/Float64',
  overlay: 'sensor_msgs/msg/CompressedImage',
  diagnostics: 'diagnostic_msgs/msg/DiagnosticArray',
} as const satisfies Partial<Record<TopicRole, string>>;

/** Roles of the topics that the node publishes. */
export const OUTPUT_ROLES = Object.keys(OUTPUT_TYPES) as readonly (keyof typeof OUTPUT_TYPES)[];

/** Roles that are services. */
export const SERVICE_ROLES: readonly TopicRole[] = ['start', 'stop', 'dry_run', 'gripper_test'];
