import type { Arm } from '../core/arm.js';
import { armActuators, armBodies, FINGER_JOINTS } from './arm-mjcf.js';
import { WALL_M, type Scene, type SceneObject, type SceneReceptacle } from './scene.js';

/** Seconds of one step of the physics: a whole number of them is a control step at 15 Hz. */
export const TIMESTEP_S = 1 / 240;

const TABLE = { center: [0.45, 0, -0.02], halfSize: [0.55, 0.75, 0.02] } as const;

const text = (...numbers: readonly number[]): string => numbers.map((x) => String(Number(x.toFixed(9)))).join(' ');

/** A whole scene as MuJoCo's XML: table, arm, receptacles (which stand fast) and objects (which are free). */
export function worldMjcf(arm: Arm, scene: Scene): string {
  return `<mujoco model="tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="${TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <default><default class="arm"><geom contype="2" conaffinity="1" friction="0.5 0.01 0.001"/></default></default>
  <worldbody>
    <geom name="table" type="box" pos="${text(...TABLE.center)}" size="${text(...TABLE.halfSize)}" rgba="${text(...scene.tableColor, 1)}" friction="0.8 0.02 0.001" contype="1" conaffinity="7"/>
    ${armBodies(arm)}
    ${scene.receptacles.map(receptacleBody).join('')}
    ${scene.objects.map(objectBody).join('')}
  </worldbody>
  <equality><joint joint1="${FINGER_JOINTS[0]}" joint2="${FINGER_JOINTS[1]}" solref="0.004 1"/></equality>
  <actuator>${armActuators()}</actuator>
</mujoco>`;
}

/** A floor with walls around it. */
function receptacleBody({ name, walls, radius, height, color, position, yaw }: SceneReceptacle): string {
  const rgba = `rgba="${text(...color, 1)}" friction="0.8 0.02 0.001" contype="1" conaffinity="7"`;
  const side = radius * Math.tan(Math.PI / walls);
  const wall = Array.from({ length: walls }, (_, i) => {
    const angle = (2 * Math.PI * i) / walls;
    const at = radius - WALL_M / 2;
    return `<geom name="${name}_wall_${i}" type="box" size="${text(WALL_M / 2, side, height / 2)}" pos="${text(at * Math.cos(angle), at * Math.sin(angle), height / 2)}" euler="0 0 ${text(angle)}" ${rgba}/>`;
  });
  const half = WALL_M / 2;
  const floor =
    walls === 4
      ? `type="box" size="${text(radius, radius, half)}"`
      : `type="cylinder" size="${text(radius / Math.cos(Math.PI / walls) - half, half)}"`;
  return `<body name="${name}" pos="${text(...position)}" euler="0 0 ${text(yaw)}"><geom name="${name}_floor" ${floor} pos="0 0 ${text(half)}" ${rgba}/>${wall.join('')}</body>`;
}

function objectBody({ name, geometry, halfSize: [w, d, h], massKg, color, position, yaw }: SceneObject): string {
  const size = { box: text(w, d, h), cylinder: text(w, h), sphere: text(w) }[geometry];
  return `<body name="${name}" pos="${text(...position)}" euler="0 0 ${text(yaw)}"><freejoint name="${name}"/>
    <geom name="${name}" type="${geometry}" size="${size}" mass="${text(massKg)}" rgba="${text(...color, 1)}" friction="1 0.02 ${geometry === 'sphere' ? '0.002' : '0.001'}" condim="${geometry === 'sphere' ? 6 : 4}" solref="0.008 1" contype="1" conaffinity="7"/></body>`;
}
