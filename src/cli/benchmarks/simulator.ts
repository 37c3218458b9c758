import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Arm } from '../../core/arm.js';
import { countBy } from '../../evaluation/episodes.js';
import type { ModelSource } from '../../assembly/model-source.js';
import type { NodeConfig } from '../../assembly/config/node-config.js';
import { runEpisode } from '../../runs/episode.js';
import { RGBD_NOISE, withNoise } from '../../simulator/depth-noise.js';
import { expertCommands } from '../../simulator/expert.js';
import { Renderer } from '../../simulator/renderer.js';
import { drawScene } from '../../simulator/draw-scene.js';
import type { SceneConfig } from '../../simulator/scene-config.js';
import { Simulation } from '../../simulator/simulation.js';
import { judge } from '../../simulator/success.js';
import { writeEpisode } from '../../simulator/write-episode.js';

/** How much faster than real time, and where the time goes. */
export interface Pace {
  readonly simulated_s: number;
  readonly wall_s: number;
  readonly times_real_time: number;
  readonly succeeded: number;
  /** Milliseconds of each control step, on average. */
  readonly step_ms: Readonly<Record<string, number>>;
}

export interface SimulatorFigures {
  readonly scenes: number;
  /** The scripted expert, seen by all cameras with noise. */
  readonly expert: Pace;
  /** The same with the true depth, recorded in the MolmoSpaces layout. */
  readonly recording: Pace;
  /** The node's stages over the bus, the future played, the rigid-motion planner. */
  readonly closed_loop: Pace;
}

const PERIOD_S = 1 / 15;
const TIME_LIMIT_S = 60;

/** Scene after scene, in one thread. Every part has one scene to get warm. @param config of the closed loop. */
export async function benchSimulator(
  arm: Arm,
  scenes: SceneConfig,
  count: number,
  config: NodeConfig,
  models: ModelSource,
): Promise<SimulatorFigures> {
  const seeds = Array.from({ length: count + 1 }, (_, seed) => seed);
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-simulator-'));
  try {
    return {
      scenes: count,
      expert: await pace(seeds, (seed) => watchExpert(arm, scenes, seed)),
      recording: await pace(seeds, async (seed) => {
        const { steps, success } = await writeEpisode(arm, scenes, seed, folder);
        return { simulatedS: steps * PERIOD_S, success, spent: {} };
      }),
      closed_loop: await pace(seeds, async (seed) => {
        const result = await runEpisode({
          config,
          models,
          scenes,
          seed,
          timeLimitS: TIME_LIMIT_S,
          clock: 'virtual',
          keepRecording: 'always',
        });
        return { simulatedS: result.simulated_s, success: result.success, spent: result.spent_ms };
      }),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Run {
  readonly simulatedS: number;
  readonly success: boolean;
  readonly spent: Readonly<Record<string, number>>;
}

async function pace(seeds: readonly number[], run: (seed: number) => Promise<Run>): Promise<Pace> {
  const [first, ...others] = seeds;
  await run(first!);
  const began = performance.now();
  const runs: Run[] = [];
  for (const seed of others) runs.push(await run(seed));
  const wallS = (performance.now() - began) / 1000;
  const simulatedS = runs.reduce((sum, one) => sum + one.simulatedS, 0);
  const spent = countBy(runs.map((one) => one.spent));
  const known = Object.values(spent).reduce((sum, ms) => sum + ms, 0);
  const perStep = (ms: number): number => Math.round((100 * ms * PERIOD_S) / simulatedS) / 100;
  return {
    simulated_s: simulatedS,
    wall_s: wallS,
    times_real_time: simulatedS / wallS,
    succeeded: runs.filter(({ success }) => success).length,
    step_ms: {
      ...Object.fromEntries(Object.entries(spent).map(([name, ms]) => [name, perStep(ms)])),
      other: perStep(1000 * wallS - known),
    },
  };
}

async function watchExpert(arm: Arm, config: SceneConfig, seed: number): Promise<Run> {
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
  const scene = drawScene(config, seed);
  const simulation = await Simulation.create(arm, scene);
  try {
    const expert = expertCommands(arm, simulation, PERIOD_S, seed);
    for (let step = 1; ; step++) {
      const next = clock('expert', () => expert.next());
      if (next.done) return { simulatedS: step * PERIOD_S, success: judge(simulation).success, spent };
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
      clock('depth_noise', () => pictures.map(({ depth }) => withNoise(depth, RGBD_NOISE, step)));
    }
  } finally {
    simulation.close();
  }
}
