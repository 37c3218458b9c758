import type { CameraTopics } from './camera-topics.js';

export interface PlannerOptions {
  readonly cameras: readonly CameraTopics[];
  /** Camera whose pictures forecasts start from. */
  readonly forecastCamera: string;
  readonly window: { readonly frames: number; readonly stepS: number };
  /** Least time between two forecasts, seconds of the bus's clock. */
  readonly periodS: number;
  /** Takes the place of the instruction topic. */
  readonly instruction?: string;
  readonly topics: InputTopics;
  /** How long a picture waits for its transforms, seconds between stamps. */
  readonly tfWaitS: number;
  /** Widest difference of stamps between colour and depth, seconds. */
  readonly maxIntervalS: number;
  readonly depthScaleM: number;
  /** Frame that does not move with the robot, for the history of a camera that does; the root of the TF tree when left out. */
  readonly fixedFrame?: string;
}

export interface InputTopics {
  readonly instruction: string;
  readonly joints: string;
  readonly click: string;
  /** Mode of the robot, as its driver tells it: everything but the modes that move stops the arm. */
  readonly robotMode: string;
}

export const DEFAULT_INPUT_TOPICS: InputTopics = {
  instruction: '/instruction',
  joints: '/joint_states',
  click: '/molmo_motion/click',
  robotMode: '/molmo_motion/robot_mode',
};

/** What the node publishes. */
export const OUTPUT_TOPICS = {
  queryPoints: '/molmo_motion/query_points',
  forecast: '/molmo_motion/forecast',
  markers: '/molmo_motion/markers',
  path: '/molmo_motion/forecast_path',
  points: '/molmo_motion/points',
  chunk: '/molmo_motion/chunk',
  command: '/molmo_motion/command',
  commandPreview: '/molmo_motion/command_preview',
  gripper: '/molmo_motion/gripper_width',
  agreement: '/molmo_motion/agreement',
  overlay: '/molmo_motion/overlay/compressed',
  diagnostics: '/diagnostics',
} as const;

/** 15 Hz, as MolmoMotion was trained. */
export const MODEL_STEP_S = 1 / 15;
/** Most that stamps of pictures of one moment may differ: half a frame at that rate. */
export const MAX_INTERVAL_S = MODEL_STEP_S / 2;

/** What the node serves. */
export const SERVICES = {
  start: '/molmo_motion/start',
  stop: '/molmo_motion/stop',
  dryRun: '/molmo_motion/dry_run',
  gripperTest: '/molmo_motion/gripper_test',
} as const;
