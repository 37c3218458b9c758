import type { MainModule, MjData, MjModel } from '@mujoco/mujoco';
import { vec3 } from 'gl-matrix';
import type { Arm } from '../core/arm.js';
import { InputError } from '../core/errors.js';
import type { Vector3 } from '../core/vector.js';
import { compose, type Transform } from '../geometry/transform.js';
import { ARM_JOINTS, FINGER_TRAVEL_M, HAND_BODY, PAD_GEOMS } from './arm-mjcf.js';
import { listGeoms, type GeomShape } from './list-geoms.js';
import { loadModel } from './load-model.js';
import type { Scene, SceneCamera } from './scene.js';
import { threeOf } from './three-of.js';
import type { View } from './view.js';
import type { VisibleGeom } from './visible-geom.js';
import { TIMESTEP_S } from './world-mjcf.js';

/** The arrays of MuJoCo's state that are read here. The library's own types call each of them `any`. */
interface StateArrays {
  readonly qpos: Float64Array;
  readonly qvel: Float64Array;
  readonly ctrl: Float64Array;
  readonly xpos: Float64Array;
  readonly xquat: Float64Array;
  readonly geom_xpos: Float64Array;
  readonly geom_xmat: Float64Array;
}

/** One scene under physics: a simulated FR3 at a table. The world frame is the arm's base frame. The same scene and commands give the same motion. */
export class Simulation {
  readonly scene: Scene;
  readonly #mj: MainModule;
  readonly #model: MjModel;
  readonly #data: MjData;
  readonly #bodies = new Map<string, number>();
  readonly #geoms: readonly GeomShape[];
  /** Joint positions that the arm's controllers hold: now, when the last command came, and when it is carried out. Radians. */
  #target: readonly number[];
  #from: readonly number[];
  #goal: readonly number[];
  #stepsToGoal = 1;
  #stepsDone = 1;
  #finger = FINGER_TRAVEL_M;
  #steps = 0;

  private constructor(mj: MainModule, scene: Scene, model: MjModel, data: MjData) {
    this.#mj = mj;
    this.scene = scene;
    this.#model = model;
    this.#data = data;
    this.#geoms = listGeoms(model);
    this.#target = this.#from = this.#goal = scene.startJoints;
    const { qpos, ctrl } = this.#state();
    [...scene.startJoints, FINGER_TRAVEL_M, FINGER_TRAVEL_M].forEach((value, i) => {
      qpos[i] = value;
      ctrl[i] = value;
    });
    mj.mj_forward(model, data);
  }

  /** @throws InputError `simulation.scene` for a scene that MuJoCo refuses, RetryableError `simulation.memory`. */
  static async create(arm: Arm, scene: Scene): Promise<Simulation> {
    const { mj, model } = await loadModel(arm, scene);
    return new Simulation(mj, scene, model, new mj.MjData(model));
  }

  get timeS(): number {
    return this.#steps * TIMESTEP_S;
  }

  /** The arm's joints, radians and rad/s. */
  get joints(): { readonly positions: readonly number[]; readonly velocities: readonly number[] } {
    const { qpos, qvel } = this.#state();
    return {
      positions: [...qpos.subarray(0, ARM_JOINTS.length)],
      velocities: [...qvel.subarray(0, ARM_JOINTS.length)],
    };
  }

  /** Distance between the fingers, metres. */
  get gripperWidthM(): number {
    const { qpos } = this.#state();
    return qpos[ARM_JOINTS.length]! + qpos[ARM_JOINTS.length + 1]!;
  }

  /** Moves the targets of the arm's controllers to these joint positions (radians), evenly over the next `overS` seconds. */
  moveArm(positions: readonly number[], overS: number): void {
    this.#from = this.#target;
    this.#goal = [...positions];
    this.#stepsToGoal = Math.max(1, Math.round(overS / TIMESTEP_S));
    this.#stepsDone = 0;
  }

  /** Moves the fingers to this distance from each other, metres, as fast as they go. */
  moveGripper(widthM: number): void {
    this.#finger = Math.min(FINGER_TRAVEL_M, Math.max(0, widthM / 2));
  }

  /** Lets simulated time pass. */
  advance(seconds: number): void {
    const count = Math.max(1, Math.round(seconds / TIMESTEP_S));
    for (let step = 0; step < count; step++) {
      const { ctrl } = this.#state();
      const share = Math.min(1, ++this.#stepsDone / this.#stepsToGoal);
      this.#target = this.#goal.map((goal, j) => this.#from[j]! + share * (goal - this.#from[j]!));
      ctrl.set(this.#target);
      ctrl.fill(this.#finger, ARM_JOINTS.length);
      this.#mj.mj_step(this.#model, this.#data);
      this.#steps++;
    }
  }

  /** Pose of an object, a receptacle or the hand in the world. @throws InputError `simulation.body` for a name that is not in the scene. */
  poseOf(body: string): Transform {
    const id = this.#bodyId(body);
    const { xpos, xquat } = this.#state();
    return {
      translation: threeOf(xpos, 3 * id),
      // MuJoCo puts w first.
      rotation: [xquat[4 * id + 1]!, xquat[4 * id + 2]!, xquat[4 * id + 3]!, xquat[4 * id]!],
    };
  }

  /** Linear speed of an object, m/s. */
  speedOf(object: string): number {
    const addresses = this.#model.body_dofadr as Int32Array;
    return vec3.length(threeOf(this.#state().qvel, addresses[this.#bodyId(object)]!));
  }

  /** Pose of a camera's optical frame in the world. */
  cameraPose(camera: SceneCamera): Transform {
    return camera.mount === 'base' ? camera.pose : compose(this.poseOf(HAND_BODY), camera.pose);
  }

  /** A camera with the pose that it has now. */
  view(camera: SceneCamera): View {
    const { width, height, verticalFovDeg } = camera;
    return {
      pose: this.cameraPose(camera),
      width,
      height,
      focal: height / 2 / Math.tan((verticalFovDeg * Math.PI) / 360),
      center: [width / 2 - 0.5, height / 2 - 0.5],
    };
  }

  /** Names of the geoms that touch this one. */
  touching(geom: string): ReadonlySet<string> {
    // The library hands out copies of the list and of its elements and keeps each until it is deleted. Left alone they take 5 MB an episode, and the
    // library's memory ends at 2 GB.
    const { contact: contacts, ncon: count } = this.#data;
    const found = new Set<string>();
    for (let i = 0; i < count; i++) {
      const contact = contacts.get(i)!;
      const names = [this.#geomName(contact.geom1), this.#geomName(contact.geom2)] as const;
      contact.delete();
      if (names[0] === geom) found.add(names[1]);
      if (names[1] === geom) found.add(names[0]);
    }
    contacts.delete();
    return found;
  }

  /** Whether both finger pads touch the object. */
  isHeld(object: string): boolean {
    const touched = this.touching(object);
    return PAD_GEOMS.every((pad) => touched.has(pad));
  }

  /** Everything that a camera can see, where it is now. */
  geoms(): VisibleGeom[] {
    const { geom_xpos: positions, geom_xmat: rotations } = this.#state();
    return this.#geoms.map((geom, id) => ({
      ...geom,
      position: positions.slice(3 * id, 3 * id + 3),
      rotation: rotations.slice(9 * id, 9 * id + 9),
    }));
  }

  /**
   * What one ray hits by MuJoCo's own account, and how far away, metres; null where it hits nothing. (mj_multiRay would cast many rays at once, but its
   * culling loses geoms: from some angles it sees through the arm's last link.)
   * @param direction unit vector.
   */
  castRay(from: Vector3, direction: Vector3): { readonly distance: number; readonly geom: string } | null {
    const geom = new this.#mj.IntBuffer(1);
    try {
      const distance = this.#mj.mj_ray(
        this.#model,
        this.#data,
        [...from],
        [...direction],
        [1, 1, 1, 1, 1, 1],
        true,
        -1,
        geom,
        null,
      );
      return distance < 0 ? null : { distance, geom: this.#geomName((geom.GetView() as Int32Array)[0]!) };
    } finally {
      geom.delete();
    }
  }

  close(): void {
    this.#data.delete();
    this.#model.delete();
  }

  /** Never keep these arrays: they are views of the library's memory, and become invalid when that memory grows. */
  #state(): StateArrays {
    return this.#data;
  }

  #bodyId(name: string): number {
    const known = this.#bodies.get(name);
    if (known !== undefined) return known;
    const id = this.#mj.mj_name2id(this.#model, this.#mj.mjtObj.mjOBJ_BODY.value, name);
    if (id < 0) {
      throw new InputError({
        code: 'simulation.body',
        message: `the scene has no "${name}"`,
        remedy: `name one of: ${[...this.scene.objects, ...this.scene.receptacles].map((thing) => thing.name).join(', ')}`,
      });
    }
    this.#bodies.set(name, id);
    return id;
  }

  #geomName(id: number): string {
    return this.#geoms[id]!.name;
  }
}
