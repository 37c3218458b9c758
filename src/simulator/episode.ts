import { mat4, vec3 } from 'gl-matrix';
import type { Arm } from '../core/arm.js';
import { FRANKA_HAND, stateOfWidth } from '../core/gripper.js';
import type { RgbImage } from '../core/images.js';
import { seededRandom } from '../core/random.js';
import type { Vector3 } from '../core/vector.js';
import { invert, transformPoint, type Transform } from '../geometry/transform.js';
import type { RolloutScene, RolloutStep, RolloutTracks } from '../recordings/molmospaces/rollout-writer.js';
import { expertCommands, PHASES, type ExpertCommand } from './expert.js';
import { drawTrainingScene } from './draw-scene.js';
import { Renderer } from './renderer.js';
import type { Scene, SceneObject } from './scene.js';
import type { SceneConfig } from './scene-config.js';
import { Simulation } from './simulation.js';
import { judge, type Outcome } from './success.js';
import type { View } from './view.js';

/** An episode of the scripted expert, as MolmoSpaces records them. */
export interface Episode {
  readonly scene: Scene;
  readonly outcome: Outcome;
  readonly description: RolloutScene;
  readonly steps: readonly RolloutStep[];
  readonly tracks: RolloutTracks;
  /** For statistics: arm joints, radians, and the gripper, of each step, and of the command that followed it. */
  readonly states: readonly (readonly number[])[];
  readonly actions: readonly (readonly number[])[];
}

/** Control steps a second, as the published policies have them. */
const RATE_HZ = 15;
const PERIOD_S = 1 / RATE_HZ;
/** Ticks behind the last command, in which things come to rest. */
const SETTLING_TICKS = 8;
const TRACK_POINTS = 100;
/** A point is hidden when something is in front of it by more than this, metres. */
const HIDDEN_M = 0.003;
/** Readers put the arm on a base of this height; here the arm's first link is the world. */
const BASE_POSE = [0, 0, -0.58, 1, 0, 0, 0];
const CLOSED_WIDTH_M = 0.04;

/**
 * The episode of a seed, from beginning to end; pictures from all cameras of the scene, and the true motion of points on the moved object as the
 * first camera that stands still sees it. Rejects with InputError `plan.*` where the expert cannot do it.
 */
export async function recordEpisode(arm: Arm, config: SceneConfig, seed: number): Promise<Episode> {
  const scene = drawTrainingScene(config, seed);
  const simulation = await Simulation.create(arm, scene);
  try {
    const renderer = new Renderer();
    const object = scene.objects.find(({ name }) => name === scene.task.object)!;
    const points = surfacePoints(object, seed);
    const camera = scene.cameras.find(({ mount }) => mount === 'base') ?? scene.cameras[0]!;
    const track = new Track(simulation, points, object.name, simulation.view(camera));
    const steps: RolloutStep[] = [];
    const states: (readonly number[])[] = [];
    const actions: (readonly number[])[] = [];
    const observe = (command: ExpertCommand | null, phase: ExpertCommand['phase'], success: boolean): void => {
      steps.push(stepOf(simulation, renderer, command, phase, success));
      track.add();
    };
    observe(null, 'unknown', false);
    for (const command of expertCommands(arm, simulation, PERIOD_S, seed)) {
      states.push(stateOf(simulation));
      actions.push([...command.positions, gripperCommand(command)]);
      simulation.moveArm(command.positions, PERIOD_S);
      simulation.moveGripper(command.gripperWidthM);
      simulation.advance(PERIOD_S);
      observe(command, command.phase, false);
    }
    for (let tick = 0; tick < SETTLING_TICKS; tick++) simulation.advance(PERIOD_S);
    const outcome = judge(simulation);
    // The last row has no command: it says that the episode is over.
    observe(null, 'go_home', outcome.success);
    const receptacle = scene.receptacles.find(({ name }) => name === scene.task.receptacle)!;
    return {
      scene,
      outcome,
      description: {
        task_type: 'pick_and_place',
        task_description: scene.task.instruction,
        policy_dt_ms: 1000 / RATE_HZ,
        policy_phases: PHASES,
        object_name: object.label,
        place_receptacle_name: receptacle.label,
        seed,
      },
      steps,
      tracks: { camera: camera.name, ...track.rows, intrinsics: intrinsicsOf(simulation.view(camera)) },
      states,
      actions,
    };
  } finally {
    simulation.close();
  }
}

function stateOf(simulation: Simulation): number[] {
  return [...simulation.joints.positions, stateOfWidth(simulation.gripperWidthM, FRANKA_HAND)];
}

function gripperCommand({ gripperWidthM }: ExpertCommand): number {
  return gripperWidthM < CLOSED_WIDTH_M ? FRANKA_HAND.closedCommand : 0;
}

function stepOf(
  simulation: Simulation,
  renderer: Renderer,
  command: ExpertCommand | null,
  phase: ExpertCommand['phase'],
  success: boolean,
): RolloutStep {
  const { scene } = simulation;
  const { positions, velocities } = simulation.joints;
  const gripper = stateOfWidth(simulation.gripperWidthM, FRANKA_HAND);
  const views = scene.cameras.map((camera) => simulation.view(camera));
  const pictures = renderer.render(simulation.geoms(), views, scene.light);
  const commanded = command ? { arm: command.positions, gripper: [gripperCommand(command)] } : {};
  const { translation: at, rotation: turned } = simulation.poseOf(scene.task.object);
  return {
    qpos: { arm: positions, base: [], gripper: [gripper, gripper] },
    qvel: { arm: velocities, base: [], gripper: [0, 0] },
    commandedAction: commanded,
    jointPos: commanded,
    jointPosRel: command ? { arm: command.positions.map((q, j) => q - positions[j]!) } : {},
    eePose: {},
    eeTwist: {},
    reward: success ? 1 : 0,
    success,
    cameras: Object.fromEntries(
      scene.cameras.map(({ name }, k) => [
        name,
        {
          worldToCamera: poseRows(invert(views[k]!.pose)),
          intrinsics: intrinsicsOf(views[k]!),
          color: pictures[k]!.color,
          depth: pictures[k]!.depth,
        },
      ]),
    ),
    extra: {
      policy_phase: [PHASES[phase]],
      robot_base_pose: BASE_POSE,
      obj_pose: [...at, turned[3], turned[0], turned[1], turned[2]],
    },
  };
}

/** K with the corner of the picture at (0, 0), as MolmoSpaces has it. */
function intrinsicsOf({ focal, width, height }: View): number[] {
  return [focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1];
}

function poseRows({ translation, rotation }: Transform): number[][] {
  const columns = mat4.fromRotationTranslation(new Float64Array(16), rotation, translation);
  return [0, 1, 2].map((row) => [0, 1, 2, 3].map((column) => columns[4 * column + row]!));
}

/** Points spread over the surface of an object, in its own frame. */
function surfacePoints({ geometry, halfSize: [w, d, h] }: SceneObject, seed: number): Vector3[] {
  const random = seededRandom(seed);
  const side = (): number => 2 * random() - 1;
  return Array.from({ length: TRACK_POINTS }, (): Vector3 => {
    if (geometry === 'sphere') {
      const z = side();
      const angle = 2 * Math.PI * random();
      const r = Math.sqrt(1 - z * z);
      return [w * r * Math.cos(angle), w * r * Math.sin(angle), w * z];
    }
    if (geometry === 'cylinder') {
      const angle = 2 * Math.PI * random();
      // Ends and mantle by their areas.
      const isEnd = random() < w / (w + 2 * h);
      const r = isEnd ? w * Math.sqrt(random()) : w;
      return [r * Math.cos(angle), r * Math.sin(angle), isEnd ? h * (random() < 0.5 ? -1 : 1) : h * side()];
    }
    const areas = [d * h, w * h, w * d];
    let draw = random() * (areas[0]! + areas[1]! + areas[2]!);
    const face = areas.findIndex((area) => (draw -= area) < 0);
    const half = [w, d, h];
    const on = random() < 0.5 ? -1 : 1;
    return half.map((size, axis) => (axis === face ? on * size : size * side())) as unknown as Vector3;
  });
}

/** Where points of an object are in a camera's frame, where they are in its picture, and whether it sees them. */
class Track {
  readonly rows: {
    readonly positions: [number, number, number][][];
    readonly pixels: [number, number][][];
    readonly visible: boolean[][];
  } = { positions: [], pixels: [], visible: [] };
  readonly #simulation: Simulation;
  readonly #points: readonly Vector3[];
  readonly #object: string;
  readonly #view: View;

  constructor(simulation: Simulation, points: readonly Vector3[], object: string, view: View) {
    this.#simulation = simulation;
    this.#points = points;
    this.#object = object;
    this.#view = view;
  }

  add(): void {
    const { pose, focal, width, height } = this.#view;
    const object = this.#simulation.poseOf(this.#object);
    const camera = invert(pose);
    const positions: [number, number, number][] = [];
    const pixels: [number, number][] = [];
    const visible: boolean[] = [];
    for (const point of this.#points) {
      const world = transformPoint(object, point);
      const [x, y, z] = transformPoint(camera, world);
      const pixel: [number, number] = [(focal * x) / z + width / 2, (focal * y) / z + height / 2];
      positions.push([x, y, z]);
      pixels.push(pixel);
      const isInside = z > 0 && pixel[0] >= 0 && pixel[1] >= 0 && pixel[0] < width && pixel[1] < height;
      visible.push(isInside && this.#isSeen(world));
    }
    this.rows.positions.push(positions);
    this.rows.pixels.push(pixels);
    this.rows.visible.push(visible);
  }

  #isSeen(point: Vector3): boolean {
    const from = this.#view.pose.translation;
    const direction = vec3.subtract([0, 0, 0], point, from);
    const hit = this.#simulation.castRay(from, vec3.normalize(direction, direction));
    return hit !== null && hit.distance > vec3.distance(from, point) - HIDDEN_M;
  }
}

/** The picture to look at: the first camera, when the object was held highest. */
export function keyPicture({ steps, scene }: Episode): RgbImage {
  const height = (step: RolloutStep): number => step.extra['obj_pose']![2]!;
  const highest = steps.reduce((best, step) => (height(step) > height(best) ? step : best));
  return highest.cameras[scene.cameras[0]!.name]!.color;
}
