import type { Arm } from '../core/arm.js';
import { FRANKA_DH } from '../geometry/franka-kinematics.js';

/** Masses, centres of mass and inertias of the FR3's links in their own frames (franka_description, robots/fr3/inertials.yaml); kg, m, kg m^2. */
interface Inertial {
  readonly mass: number;
  readonly center: readonly [number, number, number];
  /** xx, yy, zz, xy, xz, yz about the centre of mass. */
  readonly inertia: readonly [number, number, number, number, number, number];
}

const LINKS: readonly Inertial[] = [
  {
    mass: 2.9274653454,
    center: [0.0000004128, -0.0181251324, -0.038603597],
    inertia: [0.023927316485, 0.022482161328, 0.006350098259, 0.000013317903, -0.000114047749, -0.001995032063],
  },
  {
    mass: 2.9355370338,
    center: [0.0031828864, -0.0743221644, 0.0088146084],
    inertia: [0.041938946258, 0.02514514885, 0.061702144729, 0.000202573315, 0.004077784227, -0.004225215801],
  },
  {
    mass: 2.2449013699,
    center: [0.0407015686, -0.0048200565, -0.0289730823],
    inertia: [0.024101425472, 0.019740532667, 0.019044494482, 0.002404694559, -0.00285626927, -0.002104212684],
  },
  {
    mass: 2.6155955791,
    center: [-0.0459100965, 0.063049296, -0.0085187868],
    inertia: [0.034529983219, 0.028881621933, 0.041254711711, 0.01322552266, 0.010151429985, -0.000976283387],
  },
  {
    mass: 2.3271207594,
    center: [-0.0016039605, 0.0292536262, -0.097296599],
    inertia: [0.051610278464, 0.047877297134, 0.016423625579, -0.005715173388, -0.003567316763, 0.010673985109],
  },
  {
    mass: 1.8170376524,
    center: [0.0597131221, -0.0410294666, -0.0101692726],
    inertia: [0.005412333594, 0.014058329546, 0.016080817924, 0.00619345636, 0.001421928931, -0.001314075374],
  },
  {
    mass: 0.6271432862,
    center: [0.0045225817, 0.0086261921, -0.0161633251],
    inertia: [0.000210923892, 0.00017718568, 0.000059931906, -0.000024332991, 0.000045644804, 0.000087440702],
  },
];
/** Newton metres (franka_description, joint_limits.yaml). */
const EFFORT = [87, 87, 87, 87, 12, 12, 12];
/** Of the position controllers: stiff enough to be half a degree off at most while the arm moves. */
const STIFFNESS = [4500, 4500, 3500, 3500, 2000, 2000, 2000];
/** Primitive shapes in the links' frames: what is seen, and touched. Where two links meet one is a little thinner: equal hulls would flicker. */
const SHAPES: readonly (readonly string[])[] = [
  ['type="capsule" size="0.07" fromto="0 0 -0.19 0 0 -0.05"', 'type="capsule" size="0.07" fromto="0 0.03 0 0 -0.03 0"'],
  [
    'type="capsule" size="0.067" fromto="0 0 0.03 0 0 -0.03"',
    'type="capsule" size="0.065" fromto="0 -0.06 0 0 -0.17 0"',
  ],
  [
    'type="capsule" size="0.06" fromto="0 0 -0.12 0 0 -0.07"',
    'type="capsule" size="0.06" fromto="0.0825 0.03 0 0.0825 -0.03 0"',
  ],
  [
    'type="capsule" size="0.057" fromto="0 0 0.03 0 0 -0.03"',
    'type="capsule" size="0.06" fromto="-0.0825 0.05 0 -0.0825 0.14 0"',
  ],
  [
    'type="capsule" size="0.06" fromto="0 0 -0.24 0 0 -0.17"',
    'type="capsule" size="0.045" fromto="0 0.06 -0.14 0 0.085 -0.02"',
    'type="capsule" size="0.055" fromto="0 0.03 0 0 -0.03 0"',
  ],
  [
    'type="capsule" size="0.05" fromto="0 0 0.03 0 0 -0.03"',
    'type="capsule" size="0.05" fromto="0.088 0.02 0 0.088 -0.02 0"',
  ],
  ['type="capsule" size="0.042" fromto="0 0 0.02 0 0 0.08"'],
];

export const ARM_JOINTS = Array.from({ length: 7 }, (_, i) => `fr3_joint${i + 1}`);
export const FINGER_JOINTS = ['fr3_finger_joint1', 'fr3_finger_joint2'] as const;
/** Each finger goes half of the opening. */
export const FINGER_TRAVEL_M = 0.04;
export const HAND_BODY = 'hand';
export const PAD_GEOMS = ['pad_left', 'pad_right'] as const;
const HAND_TURN = -Math.PI / 4;
/** Newton, of the fingers together as published for the Franka hand. */
const GRASP_FORCE_N = 70;

const text = (...numbers: readonly number[]): string => numbers.map((x) => String(Number(x.toFixed(12)))).join(' ');

/** The arm's bodies, one in the other, with the gripper on its flange. Gravity is compensated, as the robot's own controller does it. */
export function armBodies(arm: Arm): string {
  let inner = handBody();
  for (let i = FRANKA_DH.length - 1; i >= 0; i--) {
    const [a, d, alpha] = FRANKA_DH[i]!;
    const { lower, upper } = arm.joints[i]!;
    const { mass, center, inertia } = LINKS[i]!;
    const white = i % 2 === 0 ? '0.93 0.93 0.93 1' : '0.86 0.87 0.88 1';
    inner = `<body name="link${i + 1}" pos="${text(a, -Math.sin(alpha) * d, Math.cos(alpha) * d)}" quat="${text(Math.cos(alpha / 2), Math.sin(alpha / 2), 0, 0)}" gravcomp="1">
      <inertial pos="${text(...center)}" mass="${mass}" fullinertia="${text(...inertia)}"/>
      <joint name="${ARM_JOINTS[i]!}" axis="0 0 1" range="${text(lower, upper)}" limited="true" damping="1" armature="0.1"/>
      ${SHAPES[i]!.map((shape) => `<geom ${shape} rgba="${white}" class="arm"/>`).join('')}
      ${inner}</body>`;
  }
  return `<body name="base"><geom type="cylinder" size="0.09 0.07" pos="-0.03 0 0.07" rgba="0.9 0.9 0.9 1" class="arm"/>${inner}</body>`;
}

function handBody(): string {
  const finger = (side: 1 | -1, joint: string, pad: string): string =>
    `<body name="${joint}_body" pos="0 0 0.0584" gravcomp="1">
      <inertial pos="0 0 0.03" mass="0.03" diaginertia="1e-5 1e-5 3e-6"/>
      <joint name="${joint}" type="slide" axis="0 ${side} 0" range="0 ${FINGER_TRAVEL_M}" limited="true" damping="6" armature="0.05"/>
      <geom type="box" size="0.0095 0.006 0.02" pos="0 ${0.0065 * side} 0.018" rgba="0.25 0.25 0.27 1" class="arm"/>
      <geom name="${pad}" type="box" size="0.0095 0.004 0.012" pos="0 ${0.004 * side} 0.045" rgba="0.18 0.18 0.2 1" friction="1.6 0.03 0.001" condim="4" solref="0.008 1" contype="4" conaffinity="1"/>
    </body>`;
  return `<body name="${HAND_BODY}" pos="0 0 0.107" quat="${text(Math.cos(HAND_TURN / 2), 0, 0, Math.sin(HAND_TURN / 2))}" gravcomp="1">
    <inertial pos="0 0 0.03" mass="0.73" diaginertia="0.001 0.0025 0.0017"/>
    <geom type="box" size="0.03 0.095 0.03" pos="0 0 0.03" rgba="0.9 0.9 0.9 1" class="arm"/>
    ${finger(1, FINGER_JOINTS[0], PAD_GEOMS[0])}${finger(-1, FINGER_JOINTS[1], PAD_GEOMS[1])}</body>`;
}

/** Position control at the arm's own torques, and a gripper that closes until it holds. */
export function armActuators(): string {
  const joints = ARM_JOINTS.map(
    (joint, i) =>
      `<general name="${joint}" joint="${joint}" biastype="affine" gainprm="${STIFFNESS[i]!}" biasprm="0 ${-STIFFNESS[i]!} ${-STIFFNESS[i]! / 10}" forcelimited="true" forcerange="${-EFFORT[i]!} ${EFFORT[i]!}"/>`,
  );
  const fingers = FINGER_JOINTS.map(
    (joint) =>
      `<position name="${joint}" joint="${joint}" kp="900" kv="30" forcelimited="true" forcerange="${-GRASP_FORCE_N / 2} ${GRASP_FORCE_N / 2}"/>`,
  );
  return [...joints, ...fingers].join('');
}
