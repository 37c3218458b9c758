import { z } from 'zod';
import { setting } from '../setting.js';

const name = z.string().min(1);

/** The arm, and what its links and joints are called on this robot. */
export const armSection = z
  .strictObject({
    model: setting(name, 'fr3', {
      description: 'arm whose limits and kinematics hold: fr3, panda, or a YAML file like those of config/arms',
      why: 'the arm that Franka sells today; an FR3 must not be driven with the limits of a Panda, nor the other way round',
    }),
    prefix: setting(z.string(), '', {
      description: "put before the arm's own joint and link names, as `left_` in left_fr3_joint1",
      why: 'one arm alone has no prefix',
    }),
    joints: setting(z.union([z.literal('auto'), z.array(name).min(1)]), 'auto', {
      description:
        "names of the arm's joints from base to hand; auto takes the arm's own names with the prefix, or, where these are not there, the only complete set of seven that ends in joint1 to joint7",
      why: 'drivers name joints after the arm',
    }),
  })
  .prefault({});

const frame = z.union([z.literal('auto'), name]);

/** Frames of the transform tree. */
export const framesSection = z
  .strictObject({
    base: setting(frame, 'auto', {
      description: "the arm's base, in which plans are made; auto is the base link of the arm with its prefix",
      why: 'franka_description names it so',
    }),
    hand: setting(frame, 'auto', {
      description: 'frame that moves with the gripper; auto is the hand link of the arm with its prefix',
      why: 'franka_description names it so',
    }),
    fixed: setting(frame, 'auto', {
      description:
        'frame that never moves, through which the history of a moving camera is taken; auto is the root of the transform tree',
      why: 'the root of a tree that holds one robot does not move',
    }),
    transform_wait_s: setting(z.number().positive(), 0.2, {
      description: 'how long a picture waits for its transforms',
      unit: 's',
      why: "tf2's usual patience",
    }),
  })
  .prefault({});
