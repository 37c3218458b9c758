/**
 * What other programs may build on; docs/library.md shows how. Everything else in this package may change without notice.
 * Metres, radians, seconds; stamps are nanoseconds as bigint; optical frames are x right, y down, z forward.
 */

// Nouns: values that the stages hand to each other.
export type { ActionChunk } from './core/action-chunk.js';
export type { Arm, JointLimits, VelocityEnvelope } from './core/arm.js';
export type { Camera, Intrinsics } from './core/camera.js';
export {
  CancelledError,
  ConfigurationError,
  InputError,
  OutputError,
  PlannerError,
  RetryableError,
} from './core/errors.js';
export type { ErrorDetail } from './core/errors.js';
export { checkForecast, type Forecast } from './core/forecast.js';
export { FRANKA_HAND, ROBOTIQ_2F85, type GripperConvention } from './core/gripper.js';
export type { DepthImage, MaskImage, RgbImage } from './core/images.js';
export type { JointPositions } from './core/joint-state.js';
export type { CameraFrame, Observation } from './core/observation.js';
export type { PointTracks } from './core/point-tracks.js';
export { liftedPoints, type QueryPoint, type QueryPoints } from './core/query-points.js';
export { fromSeconds, toSeconds, type Nanoseconds } from './core/time.js';
export type { Pixel, Quaternion, Vector3 } from './core/vector.js';
export { CameraModel } from './geometry/camera-model.js';
export { FRANKA_HAND_TCP } from './geometry/franka-kinematics.js';
export { compose, invert, transformPoint, type Transform } from './geometry/transform.js';
export { loadArm } from './files/arm-file.js';

// Recordings.
export { decodeCdr } from './bus/cdr.js';
export type { MessageType, MessageTypes } from './bus/messages.js';
export { openRecording } from './recordings/open-recording.js';
export type { RecordedMessage, RecordedTopic, Recording, RecordingProblem } from './recordings/recording.js';

// Pictures and query points.
export { liftClicks, liftMask } from './grounding/lift-points.js';
export { growRegion } from './grounding/region-growing.js';
export { decodeColorFile } from './sensing/color-image.js';
export { decodeDepthFile } from './sensing/depth-image.js';

// Bundles and models.
export { openBundle, verifyBundle, type Bundle, type BundleDescription } from './inference/bundle.js';
export { Model, type ModelOptions, type ModelRun } from './inference/model.js';
export { AnswerModel, FlowModel, PolicyModel } from './inference/networks.js';
export type { Provider } from './inference/worker-messages.js';

// Forecasters.
export { AutoregressiveForecaster, type TextModel } from './forecasting/autoregressive.js';
export { ExtrapolateForecaster, StaticForecaster } from './forecasting/baselines.js';
export { FlowMatchingForecaster, type TrajectoryNetwork } from './forecasting/flow-matching.js';
export { forecastHeader, type Forecaster, type ForecastRequest } from './forecasting/forecaster.js';

// Planners.
export {
  ActionExpertPolicy,
  type PolicyNetwork,
  type PolicyObservation,
  type PolicyResult,
} from './planning/action-expert-policy.js';
export { followPoses, toolPath, toolPose, type JointPath, type PathOptions } from './planning/inverse-kinematics.js';
export { carriedPoses, rigidMotionOf, type RigidMotion, type RigidMotionOptions } from './planning/rigid-motion.js';
export {
  RigidMotionPlanner,
  type RigidPhase,
  type RigidPlannerOptions,
  type RobotState,
  type SeenForecast,
} from './planning/rigid-planner.js';

// The limiter: a curve that keeps an arm's limits.
export { isResting, type CurveTick } from './execution/curve.js';
export { prepareLimits, type LimiterOptions, type Limits } from './execution/limiter.js';
export { restAt, steer, type LimitReason, type Reference, type Steered } from './execution/steering.js';
export { Timeline, type CurveState } from './execution/timeline.js';
export { trajectoryMessage } from './node/trajectory-message.js';
export { timePath, type TimedPath } from './execution/timed-path.js';

// The whole system: one configuration, one assembly, and the worlds that it runs in.
export { assemble } from './assembly/assemble.js';
export type { Assembly, LiveChange } from './assembly/assembly.js';
export { loadConfig, type ConfigSources, type LoadedConfig } from './assembly/config/load-config.js';
export type { NodeConfig } from './assembly/config/node-config.js';
export { BundleModels, modelsOf, type ModelSource } from './assembly/model-source.js';
export type { Truth, World, WorldTopic } from './assembly/world.js';
export type { Bus, Publisher, Qos } from './bus/bus.js';
export { MemoryBus } from './bus/memory/memory-bus.js';
export { VirtualClock } from './bus/memory/virtual-clock.js';
export { play, type PlayOptions, type PlayResult } from './recordings/player.js';
export { recordingWorld } from './runs/recording-world.js';
export { replay, type ReplayOptions, type ReplayOutcome } from './runs/replay.js';
