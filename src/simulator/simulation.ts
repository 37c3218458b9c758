import loadMujoco, { type MainModule, type MjData, type MjModel } from '@mujoco/mujoco';
import type { Arm } from '../core/arm.js';
import { describeError, InputError, RetryableError } from '../core/errors.js';
import type { Vector3 } from '../core/vector.js';
import { compose, type Transform } from '../geometry/transform.js';
import { ARM_JOINTS, FINGER_TRAVEL_M, HAND_BODY, PAD_GEOMS } from './arm-mjcf.js';
import type { View } from './renderer.js';
import type { Scene, SceneCamera } from './scene.js';
import { TIMESTEP_S, worldMjcf } from './world-mjcf.js';

/** Shape of a geom as it stands now, for whoever looks at it. */
export interface VisibleGeom {
  readonly name: string;
  readonly shape: 'box' | 'sphere' | 'cylinder' | 'capsule';
  /** Half sizes of a box; radius of a sphere; radius and half length of the others. */
  readonly size: Vector3;
  readonly color: Vector3;
  /** It is a part of the world, and never moves. */
  readonly isFixed: boolean;
  /** Centre, and rotation row-major, in the world. */
  readonly position: Float64Array;
  readonly rotation: Float64Array;
}

const SHAPES: Readonly<Record<number, VisibleGeom['shape']>> = { 2: 'sphere', 3: 'capsule', 5: 'cylinder', 6: 'box' };

/** What the library says when its memory is used up, which says nothing about the scene. */
const OUT_OF_MEMORY = /bad_alloc|allocate|null function|memory/i;

let library: Promise<MainModule> | null = null;

/** One scene under physics: a simulated FR3 over a table. World frame = the arm's base frame. The same scene and commands give the same motion. */
export class Simulation {
  readonly scene: Scene;
  readonly #mj: MainModule;
  readonly #model: MjModel;
  readonly #data: MjData;
  readonly #bodies = new Map<string, number>();
  readonly #geoms: readonly Omit<VisibleGeom, 'position' | 'rotation'>[];
  /** Of the arm's controllers: now, when the last command came, and where that leads. */
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
    this.#geoms = this.#listGeoms();
    this.#target = this.#from = this.#goal = scene.startJoints;
    const { qpos, ctrl } = data as unknown as { readonly qpos: Float64Array; readonly ctrl: Float64Array };
    [...scene.startJoints, FINGER_TRAVEL_M, FINGER_TRAVEL_M].forEach((value, i) => {
      qpos[i] = value;
      ctrl[i] = value;
    });
    mj.mj_forward(model, data);
  }

  /** @throws InputError `simulation.scene` for a scene that MuJoCo does not take, RetryableError `simulation.memory`. */
  static async create(arm: Arm, scene: Scene): Promise<Simulation> {
    const mj = await (library ??= loadMujoco());
    let model: MjModel | null;
    try {
      model = mj.MjModel.from_xml_string(worldMjcf(arm, scene));
    } catch (cause) {
      const why = describeError(cause);
      if (OUT_OF_MEMORY.test(why)) {
        throw new RetryableError({
          code: 'simulation.memory',
          message: `MuJoCo ran out of memory at the scene of seed ${scene.seed}: ${why}`,
          remedy: 'run the command again: what is done is kept',
          cause,
        });
      }
      throw new InputError({
        code: 'simulation.scene',
        message: `MuJoCo does not take the scene of seed ${scene.seed}: ${why}`,
        remedy: 'check sizes and masses in its description',
        cause,
      });
    }
    return new Simulation(mj, scene, model, new mj.MjData(model));
  }

  get timeS(): number {
    return this.#steps * TIMESTEP_S;
  }

  /** Of the arm, radians and rad/s. */
  get joints(): { readonly positions: readonly number[]; readonly velocities: readonly number[] } {
    const { qpos, qvel } = this.#state();
    return {
      positions: [...qpos.subarray(0, ARM_JOINTS.length)],
      velocities: [...qvel.subarray(0, ARM_JOINTS.length)],
    };
  }

  /** Between the fingers, metres. */
  get gripperWidthM(): number {
    const { qpos } = this.#state();
    return qpos[ARM_JOINTS.length]! + qpos[ARM_JOINTS.length + 1]!;
  }

  /** Where the arm's controllers are to be so many seconds from now, radians: their targets go there evenly from where they are. */
  moveArm(positions: readonly number[], overS: number): void {
    this.#from = this.#target;
    this.#goal = [...positions];
    this.#stepsToGoal = Math.max(1, Math.round(overS / TIMESTEP_S));
    this.#stepsDone = 0;
  }

  /** Metres between the fingers, as fast as they go. */
  moveGripper(widthM: number): void {
    this.#finger = Math.min(FINGER_TRAVEL_M, Math.max(0, widthM / 2));
  }

  /** Runs the physics. */
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

  /** Of an object, a receptacle, or the hand. @throws InputError `simulation.body` for a name that is not in the scene. */
  poseOf(body: string): Transform {
    const id = this.#bodyId(body);
    const { xpos, xquat } = this.#data as unknown as { readonly xpos: Float64Array; readonly xquat: Float64Array };
    const [w, x, y, z] = xquat.subarray(4 * id, 4 * id + 4) as unknown as [number, number, number, number];
    return { translation: [xpos[3 * id]!, xpos[3 * id + 1]!, xpos[3 * id + 2]!], rotation: [x, y, z, w] };
  }

  /** Linear speed of an object, m/s. */
  speedOf(object: string): number {
    const at = this.#jointAddress(object);
    const { qvel } = this.#state();
    return Math.hypot(qvel[at]!, qvel[at + 1]!, qvel[at + 2]!);
  }

  /** Pose of a camera's optical frame in the world. */
  cameraPose(camera: SceneCamera): Transform {
    return camera.mount === 'base' ? camera.pose : compose(this.poseOf(HAND_BODY), camera.pose);
  }

  /** A camera as it stands now. */
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

  /** Names of the geoms that touch one of these. */
  touching(geom: string): ReadonlySet<string> {
    // Lists and their elements are copies that the library keeps until they are deleted: 5 MB an episode, and its memory ends at 2 GB.
    const contacts = this.#data.contact as unknown as {
      get(i: number): { readonly geom1: number; readonly geom2: number; delete(): void };
      delete(): void;
    };
    const found = new Set<string>();
    const count = (this.#data as unknown as { readonly ncon: number }).ncon;
    for (let i = 0; i < count; i++) {
      const contact = contacts.get(i);
      const names = [this.#geomName(contact.geom1), this.#geomName(contact.geom2)] as const;
      contact.delete();
      if (names[0] === geom) found.add(names[1]);
      if (names[1] === geom) found.add(names[0]);
    }
    contacts.delete();
    return found;
  }

  /** Both pads touch the object. */
  isHeld(object: string): boolean {
    const touched = this.touching(object);
    return PAD_GEOMS.every((pad) => touched.has(pad));
  }

  /** Everything that can be seen, as it stands now. */
  geoms(): VisibleGeom[] {
    const { geom_xpos: positions, geom_xmat: rotations } = this.#data as unknown as {
      readonly geom_xpos: Float64Array;
      readonly geom_xmat: Float64Array;
    };
    return this.#geoms.map((geom, id) => ({
      ...geom,
      position: positions.slice(3 * id, 3 * id + 3),
      rotation: rotations.slice(9 * id, 9 * id + 9),
    }));
  }

  /**
   * Distance along one ray by MuJoCo itself, and the name of the geom; null where nothing is hit. (mj_multiRay would take many at once, but its
   * culling loses geoms: at some angles it sees through the arm's last link.)
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
      return distance < 0 ? null : { distance, geom: this.#geomName((geom.GetView() as ArrayLike<number>)[0]!) };
    } finally {
      geom.delete();
    }
  }

  close(): void {
    this.#data.delete();
    this.#model.delete();
  }

  /** Views are taken anew each time: they are lost when the library's memory grows. */
  #state(): { readonly qpos: Float64Array; readonly qvel: Float64Array; readonly ctrl: Float64Array } {
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

  #jointAddress(object: string): number {
    const body = this.#bodyId(object);
    const { body_dofadr: addresses } = this.#model as unknown as { readonly body_dofadr: Int32Array };
    return addresses[body]!;
  }

  #geomName(id: number): string {
    return this.#geoms[id]!.name;
  }

  #listGeoms(): Omit<VisibleGeom, 'position' | 'rotation'>[] {
    const model = this.#model as unknown as {
      readonly ngeom: number;
      readonly geom_type: Int32Array;
      readonly geom_size: Float64Array;
      readonly geom_rgba: Float32Array;
      readonly geom_bodyid: Int32Array;
      readonly body_weldid: Int32Array;
    };
    return Array.from({ length: model.ngeom }, (_, id) => {
      const three = (of: ArrayLike<number>, width: number): Vector3 => [
        of[width * id]!,
        of[width * id + 1]!,
        of[width * id + 2]!,
      ];
      return {
        name: nameOfGeom(this.#model, id),
        shape: SHAPES[model.geom_type[id]!]!,
        size: three(model.geom_size, 3),
        color: three(model.geom_rgba, 4),
        isFixed: model.body_weldid[model.geom_bodyid[id]!] === 0,
      };
    });
  }
}

function nameOfGeom(model: MjModel, id: number): string {
  const geom = (model as unknown as { geom(id: number): { readonly name: string; delete(): void } }).geom(id);
  const { name } = geom;
  geom.delete();
  return name;
}
