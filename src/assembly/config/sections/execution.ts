import { z } from 'zod';
import { DEFAULT_TRACKING } from '../../../execution/tracking.js';
import { MAX_DELTA_RAD } from '../../../execution/reference-command.js';
import { setting } from '../setting.js';

const seconds = z.number().positive();
const count = z.number().int().positive();

const limits = z
  .strictObject({
    max_delta_rad: setting(z.number().positive().nullable(), MAX_DELTA_RAD, {
      description: 'furthest that a command may be from the measured joints; null switches the clamp off',
      unit: 'rad',
      why: "the published client's",
    }),
    delta_rule: setting(z.enum(['uniform', 'per-joint']), 'uniform', {
      description: 'whether that clamp scales all joints by one factor (uniform), or clips each on its own',
      why: 'the published client scales; one factor keeps the direction',
    }),
    position_margin_rad: setting(z.number().nonnegative(), 0.01, {
      description: "distance that is kept from the arm's position limits",
      unit: 'rad',
      why: 'the robot itself stops with a reflex at its limits',
    }),
  })
  .prefault({});

const watchdog = z
  .strictObject({
    images_s: setting(seconds, 0.5, {
      description: 'longest age of a picture of a camera that plans come from',
      unit: 's',
      why: 'seven pictures at 15 Hz: one that is lost does not stop the arm',
    }),
    joints_s: setting(seconds, 0.3, {
      description: 'longest age of the joint states',
      unit: 's',
      why: 'franka_ros2 publishes them at 30 Hz',
    }),
    transforms_s: setting(z.union([z.literal('auto'), seconds]), 'auto', {
      description: 'longest age of the moving transforms; auto is 1, or no watch where nobody publishes any',
      unit: 's',
      why: 'some recordings have none',
    }),
    chunk_s: setting(z.union([z.literal('auto'), seconds]), 'auto', {
      description:
        'longest time without a plan, beyond the latency; auto is the length of a chunk, the latency and half a second',
      unit: 's',
      why: 'a chunk that plays to its end leaves nothing to execute',
    }),
    same_picture_s: setting(seconds.nullable(), 2, {
      description: 'longest time for which a camera may show the very same picture; null does not look',
      unit: 's',
      why: 'the noise of a sensor makes every picture differ',
    }),
    tracking_rad: setting(z.number().positive(), DEFAULT_TRACKING.measuredRad, {
      description:
        'furthest that a joint may be from where the curve was within the lag, before the arm counts as not following',
      unit: 'rad',
      why: 'with the lag, a blocked joint that is sent on at 0.3 rad/s is noticed within 0.3 s',
    }),
    tracking_lag_s: setting(z.number().nonnegative(), DEFAULT_TRACKING.lagS, {
      description: 'time by which the measured arm may be behind the curve',
      unit: 's',
      why: 'a stiff position controller is behind by tens of milliseconds, a soft one by a hundred',
    }),
  })
  .prefault({});

const gripper = z
  .strictObject({
    convention: setting(z.enum(['auto', 'robotiq_2f85', 'franka_hand']), 'auto', {
      description: 'what the gripper is told; auto is what the policy bundle says, or a Franka hand',
      why: 'a policy knows the gripper that it was trained with',
    }),
    debounce_ticks: setting(count, 1, {
      description: 'ticks for which a gripper command must stay before it is sent',
      why: 'the published client sends at once',
    }),
  })
  .prefault({});

/** From plans to commands. */
export const executionSection = z
  .strictObject({
    mode: setting(z.enum(['asynchronous', 'synchronous']), 'asynchronous', {
      description:
        'whether the next chunk is planned while the current one plays, or waited for as the published client does',
      why: 'an arm that waits for every chunk stands half of its time',
    }),
    latency_s: setting(z.number().nonnegative(), 0.1, {
      description: 'time that a chunk is taken to need; the next one is asked for so much earlier',
      unit: 's',
      why: 'a small policy on a CPU',
    }),
    blend_steps: setting(z.number().int().nonnegative(), 0, {
      description: 'steps over which a chunk takes over from the one before',
      why: 'the limiter keeps the hand-over within the limits already',
    }),
    speed: setting(z.number().positive().max(1), 1, {
      description: 'part of its speed at which every plan is executed, by the same way; for first runs, 0.1',
      why: 'plans are as fast as they were learned',
    }),
    commit_ticks: setting(count, 2, {
      description:
        'ticks ahead that no later command changes. The controller stays on the curve while delay, difference of clocks and lost messages in a row take no longer than one tick less',
      why: 'one machine with a reliable link, where a message takes up to 20 ms; 6 to 10 for a network that loses messages',
    }),
    history_ticks: setting(count, 2, {
      description: 'ticks before now at which a sent curve begins: more than the clocks may be apart',
      why: '0.13 s at 15 Hz; clocks that are synchronised differ by milliseconds',
    }),
    dry_run: setting(z.boolean(), true, {
      description: 'commands are computed and shown on the preview topic, and not sent',
      why: 'nothing moves until somebody has turned it off',
      live: true,
    }),
    gate_m: setting(z.number().positive().nullable(), null, {
      description:
        'chunks that lead the gripper further than this from the forecast object are not executed; null compares only',
      unit: 'm',
      why: 'how far is too far depends on the task',
      live: true,
    }),
    moving_modes: setting(z.array(z.string().min(1)).min(1), ['move', 'active'], {
      description: 'modes of the robot in which it moves; any other stops it',
      why: "libfranka's mode in motion, and ros2_control's state of a controller that is on",
    }),
    limits,
    watchdog,
    gripper,
  })
  .prefault({});
