import { DEFAULT_QOS, SENSOR_QOS } from '../bus/bus.js';
import type { RgbImage } from '../core/images.js';
import { toSeconds, type Nanoseconds } from '../core/time.js';
import type { Vector3 } from '../core/vector.js';
import { FRANKA_HAND_TCP } from '../geometry/franka-kinematics.js';
import { transformPoint } from '../geometry/transform.js';
import { toolPath } from '../planning/inverse-kinematics.js';
import { decodeColorImage } from '../sensing/color-image.js';
import { readJoints } from '../sensing/joint-states.js';
import type { Trace } from '../visualization/joint-traces.js';
import type { ForecastResult } from '../node/forecast-result.js';
import type { RunningEpisode } from './running-episode.js';
import { motionOf } from './forecast-motion.js';

/** A picture with the forecast that was the newest when it was taken. */
export interface StoryPicture {
  readonly image: RgbImage;
  readonly timeS: number;
  readonly result: ForecastResult;
}

/** Every n-th picture is kept: three to five in a second tell the story. */
const PICTURE_STRIDE = 4;
const JOINTS = 7;

/** Remembers of an episode what its report shows. */
export class EpisodeStory {
  readonly pictures: StoryPicture[] = [];
  readonly commanded: Trace[] = [];
  readonly measured: Trace[] = [];
  /** The forecast with the longest motion; null when there was none. */
  highlight: ForecastResult | null = null;
  /** Where the points of each forecast are to go, in the arm's base, from t0 on, metres: of those that were executed with the object in the hand. */
  readonly followed: (readonly (Vector3 | null)[])[] = [];
  #start: Nanoseconds | null = null;
  #seen = 0;
  #newest: ForecastResult | null = null;

  watch({ bus, assembly }: RunningEpisode): void {
    assembly.results.subscribe((result) => {
      this.#newest = result;
      if (!this.highlight || motionOf(result) > motionOf(this.highlight)) this.highlight = result;
      const pose = result.cameraInBase;
      if (!pose || !assembly.isHolding) return;
      result.forecast.positions.forEach((track, p) => {
        const way = [result.forecast.start[p]!, ...track];
        this.followed.push(way.map((point) => point && transformPoint(pose, point)));
      });
    });
    assembly.commands.subscribe(({ stamp, positions }) => {
      this.commanded.push({ timeS: this.#since(stamp), positions });
    });
    bus
      .subscribe(assembly.config.topics.joints, 'sensor_msgs/msg/JointState', DEFAULT_QOS)
      .subscribe(({ message, receivedAt }) => {
        const { positions } = readJoints(message, message.name.slice(0, JOINTS));
        this.measured.push({ timeS: this.#since(receivedAt), positions });
      });
    const camera = assembly.cameras.find((one) => one.camera === assembly.forecastCamera);
    if (!camera) return;
    // The simulator publishes raw pictures.
    bus.subscribe(camera.color.topic, 'sensor_msgs/msg/Image', SENSOR_QOS).subscribe(({ message, receivedAt }) => {
      if (!this.#newest || this.#seen++ % PICTURE_STRIDE !== 0) return;
      this.pictures.push({
        image: decodeColorImage(message),
        timeS: this.#since(receivedAt),
        result: this.#newest,
      });
    });
  }

  /** Seconds that the forecasts reach ahead; null where there was none. */
  get horizonS(): number | null {
    const forecast = this.highlight?.forecast;
    return forecast ? forecast.stepS * (forecast.positions[0]?.length ?? 0) : null;
  }

  /** Way of the tool as it was commanded, in the arm's base, metres. */
  get tool(): readonly Vector3[] {
    return toolPath(
      this.commanded.map(({ positions }) => positions),
      FRANKA_HAND_TCP,
    );
  }

  #since(stamp: Nanoseconds): number {
    this.#start ??= stamp;
    return toSeconds(stamp - this.#start);
  }
}
