import { z } from 'zod';
import { MODEL_STEP_S } from '../../../core/time.js';
import { DEFAULT_TOPICS, OUTPUT_ROLES, type TopicRole } from '../../../node/topics.js';
import { setting } from '../setting.js';

const absoluteName = z.string().regex(/^(\/[A-Za-z_]\w*)+$/, 'an absolute ROS name is needed, such as /front/rgb');

export const cameraSchema = z.strictObject({
  role: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .optional()
    .meta({
      description:
        "what the camera is for: `forecast` for the one that forecasts start from, and the policy's name of the camera that it stands for; a list where it is several",
    }),
  color: absoluteName.optional().meta({
    description: 'topic of the colour image, raw or compressed; found by its name where it is left out',
  }),
  depth: absoluteName.nullable().optional().meta({
    description:
      'topic of the depth image aligned to it; found where it is left out, null for a camera whose depth is not to be used',
  }),
  info: z
    .union([z.literal('auto'), absoluteName])
    .default('auto')
    .meta({
      description: 'topic of its CameraInfo; auto is camera_info beside the colour image',
    }),
  frame: z.string().min(1).optional().meta({
    description: 'optical frame, in place of the one in the headers of its pictures',
  }),
  rectified: z
    .union([z.literal('auto'), z.boolean()])
    .default('auto')
    .meta({
      description:
        'the pictures are rectified, so that P of CameraInfo holds instead of K and the distortion; auto goes by the name of the topic',
    }),
});

export const camerasSection = setting(
  z.union([z.literal('auto'), z.record(z.string().regex(/^\w+$/), cameraSchema.nullable())]),
  'auto',
  {
    description:
      'cameras by name, over those that are found by the types and names of the topics; auto takes these as they are, null leaves one out',
    why: 'the names that RealSense, ZED and MolmoSpaces use are known',
  },
);

const PURPOSES: Readonly<Record<TopicRole, string>> = {
  instruction: 'in: what to do (std_msgs/String)',
  joints: 'in: joint states of arm and gripper (sensor_msgs/JointState)',
  tf: 'in: transforms',
  tf_static: 'in: transforms that do not change',
  click: 'in: a pixel on the object (geometry_msgs/PointStamped in the optical frame)',
  robot_mode: 'in: mode of the robot (std_msgs/String); one that does not move stops the arm',
  query_points: 'out: the points that a forecast is asked for',
  forecast: 'out: where they will be',
  markers: 'out: both, for RViz and Foxglove',
  forecast_path: "out: the way of the points' centroid",
  points: 'out: the lifted points as a cloud',
  chunk: 'out: the planned steps, for display only',
  command: 'out: what the arm is to do',
  command_preview: 'out: the same in a dry run, which no controller may listen to',
  gripper: 'out: width of the gripper, metres (std_msgs/Float64)',
  agreement: 'out: distance between the ways of plan and forecast, metres',
  overlay: 'out: the picture with the projected forecast',
  diagnostics: 'out: state and refusals, for the operator',
  start: 'service that starts the arm (std_srvs/Trigger)',
  stop: 'service that stops it (std_srvs/Trigger)',
  dry_run: 'service that chooses between sending and only showing commands (std_srvs/SetBool)',
  gripper_test: 'service that opens and closes the gripper while the arm stands (std_srvs/Trigger)',
};

const topicSetting = (role: TopicRole): z.ZodDefault<typeof absoluteName> =>
  setting(absoluteName, DEFAULT_TOPICS[role], {
    description: PURPOSES[role],
    why:
      role === 'tf' || role === 'tf_static' || role === 'diagnostics'
        ? 'every ROS system has it there'
        : 'a name of our own, or what drivers use',
  });

const roles = Object.keys(DEFAULT_TOPICS) as readonly TopicRole[];

/** Every topic and service by its role. Two outputs on one topic would mix, and a preview would be a command. */
export const topicsSection = z
  .strictObject(
    Object.fromEntries(roles.map((role) => [role, topicSetting(role)])) as Record<
      TopicRole,
      z.ZodDefault<typeof absoluteName>
    >,
  )
  .superRefine((topics, context) => {
    for (const role of OUTPUT_ROLES) {
      const twin = roles.find((other) => other !== role && topics[other] === topics[role]);
      if (twin !== undefined)
        context.addIssue({
          code: 'custom',
          path: [role],
          input: topics[role],
          message: `${twin} has the same name; what the node publishes needs a name of its own`,
        });
    }
  })
  .prefault({});

/** How pictures become observations. */
export const sensingSection = z
  .strictObject({
    max_interval_s: setting(z.number().positive(), MODEL_STEP_S / 2, {
      description: 'most that the stamps of pictures of one moment may differ',
      unit: 's',
      why: 'half a frame at 15 Hz: wider would pair a picture with a neighbour of its partner',
    }),
    depth_scale_m: setting(z.number().positive(), 0.001, {
      description: 'metres for each unit of integer depth images',
      unit: 'm',
      why: 'REP 118: 16UC1 is millimetres',
    }),
  })
  .prefault({});
