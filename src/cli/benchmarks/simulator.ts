import type { Arm } from '../../core/arm.js';
import { RGBD_NOISE, withNoise } from '../../simulator/depth-noise.js';
import { expertCommands } from '../../simulator/expert.js';
import { Renderer } from '../../simulator/renderer.js';
import { drawScene, type SceneConfig } from '../../simulator/scene.js';
import { Simulation } from '../../simulator/simulation.js';
import { judge } from '../../simulator/success.js';

export interface SimulatorFigures {
  readonly scenes: number;
  readonly simulated_s: number;
  readonly wall_s: number;
  readonly times_real_time: number;
  readonly succeeded: number;
  /** Milliseconds of each control step, on average. */
  readonly step_ms: {
    readonly expert: number;
    readonly physics: number;
    readonly pictures: number;
    readonly depth_noise: number;
  };
}

const PERIOD_S = 1 / 15;

/** The scripted expert in scene after scene, seen by all cameras, in one thread. */
export async function benchSimulator(arm: Arm, config: SceneConfig, scenes: number): Promise<SimulatorFigures> {
  const spent = { expert: 0, physics: 0, pictures: 0, depth_noise: 0 };
  const clock = <T>(what: keyof typeof spent, work: () => T): T => {
    const start = performance.now();
    try {
      return work();
    } finally {
      spent[what] += performance.now() - start;
    }
  };
  const renderer = new Renderer();
  let steps = 0;
  let succeeded = 0;
  const began = performance.now();
  for (let seed = 0; seed < scenes; seed++) {
    const scene = drawScene(config, seed);
    const simulation = await Simulation.create(arm, scene);
    try {
      const expert = expertCommands(arm, simulation, PERIOD_S, seed);
      for (;;) {
        const next = clock('expert', () => expert.next());
        if (next.done) break;
        clock('physics', () => {
          simulation.moveArm(next.value.positions, PERIOD_S);
          simulation.moveGripper(next.value.gripperWidthM);
          simulation.advance(PERIOD_S);
        });
        const pictures = clock('pictures', () =>
          renderer.render(
            simulation.geoms(),
            scene.cameras.map((camera) => simulation.view(camera)),
            scene.light,
          ),
        );
        clock('depth_noise', () => pictures.map(({ depth }) => withNoise(depth, RGBD_NOISE, steps)));
        steps++;
      }
      if (judge(simulation).success) succeeded++;
    } finally {
      simulation.close();
    }
  }
  const wallS = (performance.now() - began) / 1000;
  const mean = (ms: number): number => Math.round((ms / steps) * 100) / 100;
  return {
    scenes,
    simulated_s: steps * PERIOD_S,
    wall_s: wallS,
    times_real_time: (steps * PERIOD_S) / wallS,
    succeeded,
    step_ms: {
      expert: mean(spent.expert),
      physics: mean(spent.physics),
      pictures: mean(spent.pictures),
      depth_noise: mean(spent.depth_noise),
    },
  };
}
