import { existsSync } from 'node:fs';
import { quat } from 'gl-matrix';
import type {
  CameraInfo,
  Header,
  Image,
  JointStateMessage,
  JointTrajectory,
  MessageTypes,
  TFMessage,
  TransformStampedMessage,
} from '../../bus/messages.js';
import type { RecordedCommands } from '../../core/action-chunk.js';
import { InputError } from '../../core/errors.js';
import type { RgbImage } from '../../core/images.js';
import { fromSeconds, toTimeMessage, type Nanoseconds } from '../../core/time.js';
import type { Vector3 } from '../../core/vector.js';
import { invert, type Transform } from '../../geometry/transform.js';
import { pinholeInfo } from '../pinhole-info.js';
import type { PointTracks } from '../../core/point-tracks.js';
import {
  ProblemLog,
  type RecordedMessage,
  type RecordedTopic,
  type Recording,
  type RecordingProblem,
} from '../recording.js';
import { depthOfVideoFrame } from '../video/packed-depth.js';
import { VideoReader } from '../video/video-reader.js';
import { Hdf5File } from './hdf5.js';
import { readOverlayTracks } from './overlay-tracks.js';
import { usableLength } from './policy-example.js';
import { groupValues, readRollout, rolloutKeys, type Rollout, type RolloutCamera } from './rollout.js';
import { filesOfCamera, type CameraFiles } from './rollout-files.js';

/** Rollouts carry no wall time; they start here, since 0 means "the latest" to TF. */
const START: Nanoseconds = 1_000_000_000n;
const WORLD = 'world';
const ROBOT_BASE = 'robot_base';
/** The arm stands on a base of this height (FrankaRobotConfig.base_size). */
const ARM_LINK = { frame: 'fr3_link0', heightM: 0.58 };
const ARM_JOINTS = Array.from({ length: 7 }, (_, i) => `fr3_joint${i + 1}`);
const GRIPPER_JOINTS = ['gripper/left_driver_joint', 'gripper/right_driver_joint'];

interface CameraSource {
  readonly camera: RolloutCamera;
  readonly files: CameraFiles;
}

export function opticalFrameOf(camera: string): string {
  return `${camera}_optical_frame`;
}

/** One MolmoSpaces trajectory as ROS messages: its cameras, joints, transforms, instruction and the recorded commands. */
export class RolloutRecording implements Recording {
  readonly kind = 'molmospaces';
  readonly path: string;
  readonly rollout: Rollout;
  readonly instruction: string;
  readonly topics: readonly RecordedTopic[];
  readonly timeRange: readonly [Nanoseconds, Nanoseconds] | null;
  readonly tracks: PointTracks | null;
  readonly #sources: readonly CameraSource[];
  readonly #problems: ProblemLog;

  private constructor(
    path: string,
    rollout: Rollout,
    sources: readonly CameraSource[],
    tracks: PointTracks | null,
    problems: ProblemLog,
  ) {
    this.path = path;
    this.rollout = rollout;
    this.instruction = rollout.taskDescription;
    this.tracks = tracks;
    this.#sources = sources;
    this.#problems = problems;
    this.timeRange = rollout.steps === 0 ? null : [START, this.#stamp(rollout.steps - 1)];
    this.topics = this.#listTopics();
  }

  /** @param trajectory index of the trajectory in the file; the first when left out. @throws InputError when the file or trajectory cannot be used. */
  static async open(path: string, trajectory?: number): Promise<RolloutRecording> {
    const file = await Hdf5File.open(path);
    try {
      const keys = rolloutKeys(file);
      const key = trajectory === undefined ? keys[0] : `traj_${trajectory}`;
      if (key === undefined || !keys.includes(key)) {
        throw new InputError({
          code: 'rollout.none',
          message: `${path} has no trajectory${key === undefined ? '' : ` ${key}`} (it has: ${keys.join(', ') || 'none'})`,
          remedy: 'choose one with --trajectory N',
        });
      }
      const rollout = readRollout(file, key);
      const problems = new ProblemLog();
      for (const [name, rows] of [
        ['obs/agent/qpos', rollout.qpos],
        ['obs/agent/qvel', rollout.qvel],
        ['actions/joint_pos', rollout.jointPos],
      ] as const) {
        for (const row of rows?.undecodable ?? [])
          problems.add(
            'molmospaces.row',
            `${path}: ${key}/${name} has rows that are cut off (the first is ${row})`,
            name,
          );
      }
      const sources = rollout.cameras.map((camera) => ({
        camera,
        files: usableFiles(path, rollout, camera.name, problems),
      }));
      const tracks = await usableTracks(sources, rollout, problems);
      return new RolloutRecording(path, rollout, sources, tracks, problems);
    } finally {
      file.close();
    }
  }

  /** The command that was given from an observation stands one row later. */
  get commands(): RecordedCommands {
    const rows = Array.from({ length: usableLength(this.rollout) }, (_, step) => step);
    return {
      stepS: this.rollout.stepS,
      stamps: rows.map((step) => this.#stamp(step)),
      actions: rows.map((step) => {
        const values = groupValues(this.rollout.jointPos, step + 1);
        const gripper = values?.['gripper']?.[0];
        return values?.['arm'] && gripper !== undefined ? [...values['arm'], gripper] : null;
      }),
    };
  }

  get problems(): readonly RecordingProblem[] {
    return this.#problems.list;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous; video is decoded synchronously, as it must be on Node 20
  async *messages(): AsyncGenerator<RecordedMessage> {
    const videos = this.#sources.map(({ camera, files }) => ({
      camera,
      color: this.#openVideo(files.color, camera),
      depth: this.#openVideo(files.depth, camera),
    }));
    try {
      yield this.#message('/instruction', 'std_msgs/msg/String', 0, { data: this.instruction });
      yield this.#message('/tf_static', 'tf2_msgs/msg/TFMessage', 0, {
        transforms: [
          this.#transform(0, ROBOT_BASE, ARM_LINK.frame, {
            translation: [0, 0, ARM_LINK.heightM],
            rotation: [0, 0, 0, 1],
          }),
        ],
      });
      for (let step = 0; step < this.rollout.steps; step++) {
        yield this.#message('/tf', 'tf2_msgs/msg/TFMessage', step, this.#transforms(step));
        const joints = this.#joints(step);
        if (joints) yield this.#message('/joint_states', 'sensor_msgs/msg/JointState', step, joints);
        for (const { camera, color, depth } of videos) yield* this.#pictures(camera, color, depth, step);
        const command = this.#command(step);
        if (command)
          yield this.#message('/recorded/joint_trajectory', 'trajectory_msgs/msg/JointTrajectory', step, command);
      }
    } finally {
      for (const { color, depth } of videos) {
        color?.close();
        depth?.close();
      }
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A video that cannot be used is a problem of the recording; the rest of it plays. */
  #openVideo(file: string | null, camera: RolloutCamera): VideoReader | null {
    if (file === null) return null;
    try {
      const video = VideoReader.open(file);
      if (fitsCamera(video, camera)) return video;
      video.close();
      this.#problems.add(
        'molmospaces.video-size',
        `${file} is ${video.width}x${video.height}, which is not the ${camera.width}x${camera.height} of ${camera.name}; it is left out`,
        file,
      );
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#problems.add(error.code, error.message, file);
    }
    return null;
  }

  #nextPicture(video: VideoReader | null, step: number): RgbImage | null {
    if (!video) return null;
    try {
      const picture = video.next();
      if (!picture)
        this.#problems.add(
          'molmospaces.short-video',
          `${video.path} ends before step ${step} of ${this.rollout.steps}`,
          video.path,
        );
      return picture;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#problems.add(error.code, error.message, video.path);
      return null;
    }
  }

  *#pictures(
    camera: RolloutCamera,
    color: VideoReader | null,
    depth: VideoReader | null,
    step: number,
  ): Generator<RecordedMessage> {
    const header: Header = { stamp: toTimeMessage(this.#stamp(step)), frame_id: opticalFrameOf(camera.name) };
    const picture = this.#nextPicture(color, step);
    if (picture) {
      const { width, height, data } = picture;
      const info = cameraInfo(camera, step, width, height, header);
      yield this.#message(`/${camera.name}/color/camera_info`, 'sensor_msgs/msg/CameraInfo', step, info);
      const image = imageMessage(header, width, height, 'rgb8', 3, data);
      yield this.#message(`/${camera.name}/color/image_raw`, 'sensor_msgs/msg/Image', step, image);
    }
    const packed = this.#nextPicture(depth, step);
    if (packed) {
      const { width, height, data } = depthOfVideoFrame(packed);
      const image = imageMessage(header, width, height, '32FC1', 4, new Uint8Array(data.buffer));
      yield this.#message(`/${camera.name}/aligned_depth_to_color/image_raw`, 'sensor_msgs/msg/Image', step, image);
    }
  }

  #stamp(step: number): Nanoseconds {
    return START + fromSeconds(step * this.rollout.stepS);
  }

  #message<T extends keyof MessageTypes>(
    topic: string,
    type: T,
    step: number,
    content: MessageTypes[T],
  ): RecordedMessage {
    const time = this.#stamp(step);
    return { topic, type, logTime: time, publishTime: time, content };
  }

  #transform(
    step: number,
    parent: string,
    child: string,
    { translation: [x, y, z], rotation: [qx, qy, qz, qw] }: Transform,
  ): TransformStampedMessage {
    return {
      header: { stamp: toTimeMessage(this.#stamp(step)), frame_id: parent },
      child_frame_id: child,
      transform: { translation: { x, y, z }, rotation: { x: qx, y: qy, z: qz, w: qw } },
    };
  }

  #transforms(step: number): TFMessage {
    const cameras = this.#sources.map(({ camera }) =>
      this.#transform(step, WORLD, opticalFrameOf(camera.name), invert(poseOf(camera.worldToCamera[step]!))),
    );
    const base = this.rollout.robotBasePoses?.[step];
    if (!base) return { transforms: cameras };
    const [x, y, z, qw, qx, qy, qz] = base as unknown as [number, number, number, number, number, number, number];
    return {
      transforms: [
        this.#transform(step, WORLD, ROBOT_BASE, { translation: [x, y, z], rotation: [qx, qy, qz, qw] }),
        ...cameras,
      ],
    };
  }

  #joints(step: number): JointStateMessage | null {
    const position = groupValues(this.rollout.qpos, step);
    if (position?.['arm']?.length !== 7) return null;
    const velocity = this.rollout.qvel && groupValues(this.rollout.qvel, step);
    const gripper = position['gripper'] ?? [];
    const whole = velocity?.['arm']?.length === 7 && (velocity['gripper'] ?? []).length === gripper.length;
    return {
      header: { stamp: toTimeMessage(this.#stamp(step)), frame_id: '' },
      name: [...ARM_JOINTS, ...GRIPPER_JOINTS.slice(0, gripper.length)],
      position: [...position['arm'], ...gripper],
      velocity: whole ? [...velocity['arm']!, ...(velocity['gripper'] ?? [])] : [],
      effort: [],
    };
  }

  /** The command that was given from this observation: it stands one row later. */
  #command(step: number): JointTrajectory | null {
    const target = groupValues(this.rollout.jointPos, step + 1)?.['arm'];
    if (target?.length !== 7) return null;
    return {
      header: { stamp: toTimeMessage(this.#stamp(step)), frame_id: '' },
      joint_names: ARM_JOINTS,
      points: [
        {
          positions: target,
          velocities: [],
          accelerations: [],
          effort: [],
          time_from_start: toTimeMessage(fromSeconds(this.rollout.stepS)),
        },
      ],
    };
  }

  #listTopics(): readonly RecordedTopic[] {
    const { steps } = this.rollout;
    const topic = (name: string, type: string, count: number): RecordedTopic => ({
      topic: name,
      type,
      count,
      usable: true,
    });
    const rows = Array.from({ length: steps }, (_, i) => i);
    return [
      ...this.#sources.flatMap(({ camera: { name }, files }) => [
        ...(files.color
          ? [
              topic(`/${name}/color/image_raw`, 'sensor_msgs/msg/Image', steps),
              topic(`/${name}/color/camera_info`, 'sensor_msgs/msg/CameraInfo', steps),
            ]
          : []),
        ...(files.depth ? [topic(`/${name}/aligned_depth_to_color/image_raw`, 'sensor_msgs/msg/Image', steps)] : []),
      ]),
      topic('/instruction', 'std_msgs/msg/String', 1),
      topic('/joint_states', 'sensor_msgs/msg/JointState', rows.filter((row) => this.#joints(row)).length),
      topic(
        '/recorded/joint_trajectory',
        'trajectory_msgs/msg/JointTrajectory',
        rows.filter((row) => this.#command(row)).length,
      ),
      topic('/tf', 'tf2_msgs/msg/TFMessage', steps),
      topic('/tf_static', 'tf2_msgs/msg/TFMessage', 1),
    ];
  }
}

/** Of the first camera that has them; a damaged file is a problem of the recording, which plays without it. */
async function usableTracks(
  sources: readonly CameraSource[],
  rollout: Rollout,
  problems: ProblemLog,
): Promise<PointTracks | null> {
  for (const { camera, files } of sources) {
    if (files.tracks === null) continue;
    try {
      return await readOverlayTracks(
        files.tracks,
        camera.name,
        opticalFrameOf(camera.name),
        (step) => START + fromSeconds(step * rollout.stepS),
      );
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.add(error.code, error.message, files.tracks);
    }
  }
  return null;
}

/** Of the camera's size, or stretched to the next multiples of 16 as the published writer does. */
function fitsCamera({ width, height }: VideoReader, camera: RolloutCamera): boolean {
  const stretched = (size: number): number => Math.ceil(size / 16) * 16;
  return (
    [camera.width, stretched(camera.width)].includes(width) &&
    [camera.height, stretched(camera.height)].includes(height)
  );
}

function usableFiles(h5: string, rollout: Rollout, camera: string, problems: ProblemLog): CameraFiles {
  const files = filesOfCamera(h5, rollout, camera);
  const present = (file: string | null, what: string): string | null => {
    if (file !== null && existsSync(file)) return file;
    if (file !== null || what === 'video')
      problems.add(
        'molmospaces.missing-video',
        `${h5}: the ${what} of ${camera} for ${rollout.key} is missing${file === null ? '' : ` (${file})`}`,
        `${camera} ${what}`,
      );
    return null;
  };
  return { color: present(files.color, 'video'), depth: present(files.depth, 'depth video'), tracks: files.tracks };
}

function poseOf(rows: readonly (readonly number[])[]): Transform {
  const column = (i: number): Vector3 => [rows[0]![i]!, rows[1]![i]!, rows[2]![i]!];
  const rotation = quat.fromMat3([0, 0, 0, 1], [...column(0), ...column(1), ...column(2)]);
  return { translation: column(3), rotation: quat.normalize(rotation, rotation) };
}

/**
 * K for the pictures as they are in the video: scaled where the writer stretched them to multiples of 16, and moved by half a pixel, since in
 * MolmoSpaces the corner of the picture is (0, 0) and in ROS the middle of its first pixel is.
 */
export function cameraInfo(
  camera: RolloutCamera,
  step: number,
  width: number,
  height: number,
  header: Header,
): CameraInfo {
  const k = camera.intrinsics[step]!;
  const sx = width / camera.width;
  const sy = height / camera.height;
  return pinholeInfo(
    { width, height, fx: k[0]! * sx, fy: k[4]! * sy, cx: k[2]! * sx - 0.5, cy: k[5]! * sy - 0.5 },
    header,
  );
}

function imageMessage(
  header: Header,
  width: number,
  height: number,
  encoding: string,
  bytesPerPixel: number,
  data: Uint8Array,
): Image {
  return { header, width, height, encoding, is_bigendian: 0, step: width * bytesPerPixel, data };
}
