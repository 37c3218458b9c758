import { describe, expect, it } from '@jest/globals';
import { MemoryBus } from '../../src/bus/memory/memory-bus.js';
import { VirtualClock } from '../../src/bus/memory/virtual-clock.js';
import { PERFECT_LINK, type LinkSettings } from '../../src/controller/command-link.js';
import type { ControlledArmFigures } from '../../src/controller/controlled-arm.js';
import { defaultSettings, type ControllerSettings } from '../../src/controller/controller-settings.js';
import { playCommands, type SentCommand } from '../../src/controller/play-commands.js';
import type { Arm } from '../../src/core/arm.js';
import { ROBOTIQ_2F85 } from '../../src/core/gripper.js';
import { seededRandom } from '../../src/core/random.js';
import { fromSeconds, toSeconds } from '../../src/core/time.js';
import type { QueueOptions } from '../../src/execution/chunk-queue.js';
import { loadArm } from '../../src/files/arm-file.js';
import { ExecutionStage } from '../../src/node/execution-stage.js';
import { DEFAULT_TOPICS } from '../../src/node/topics.js';

/*
 * What the execution stage sends, as a joint_trajectory_controller commands it at 1 kHz: the model of the controller and the judge share nothing with the
 * limiter. Plans are as wild as a policy that was never trained, chunks are late or missing, and somebody stops and starts the arm again and again.
 */
const fr3 = await loadArm('fr3');
const panda = await loadArm('panda');
const HOME = [0, -0.7, 0, -2.3, 0, 1.57, 0];
const names = HOME.map((_, j) => `joint${j + 1}`);

interface Stream {
  readonly arm: Arm;
  readonly mode: QueueOptions['mode'];
  readonly rateHz: number;
  readonly commitTicks: number;
  readonly seed: number;
  readonly seconds: number;
}

async function streamOf({ arm, mode, rateHz, commitTicks, seed, seconds }: Stream): Promise<readonly SentCommand[]> {
  const random = seededRandom(seed);
  const clock = new VirtualClock(fromSeconds(1000 + random()));
  const bus = new MemoryBus(clock);
  const stepS = 1 / rateHz;
  const stage = new ExecutionStage(bus, {
    arm,
    limiter: { periodS: stepS },
    queue: { mode, executedSteps: 8 },
    gripper: { convention: ROBOTIQ_2F85 },
    dryRun: false,
    commitTicks,
    historyTicks: Math.ceil(0.1 * rateHz),
    tracking: null,
    latencyS: 0,
    cameras: [],
    maxAgeS: { images: 1, joints: 1, transforms: null, chunk: 100, samePicture: 2 },
    movingModes: ['move'],
    topics: DEFAULT_TOPICS,
    monotonicS: () => toSeconds(clock.now()),
  });
  const sent: SentCommand[] = [];
  bus
    .subscribe(DEFAULT_TOPICS.command, 'trajectory_msgs/msg/JointTrajectory')
    .subscribe(({ message }) => sent.push({ at: clock.now(), message }));
  /** Where the arm is: on the last curve that it was sent. */
  let where = (): readonly number[] => HOME;
  stage.commands.subscribe(({ timeline }) => {
    where = () => timeline.at(clock.now()).positions;
  });
  const ticks = Math.round(seconds * rateHz);
  let goal = HOME;
  for (let tick = 0; tick < ticks; tick++) {
    // Pictures and joints come anywhere within a period.
    clock.advanceTo(clock.now() + fromSeconds(stepS * (0.5 + random())));
    const at = where();
    stage.sawJoints({ stamp: clock.now(), names, positions: at, velocities: null });
    if (stage.phase === 'stopped' || stage.phase === 'idle') {
      if (random() < 0.2) {
        try {
          stage.start();
        } catch (error) {
          // It may still be on its way to rest.
          expect(error).toMatchObject({ code: 'executor.braking' });
        }
      }
    } else if (random() < 0.01) {
      const reaction = random() < 0.5 ? 'brake' : 'silent';
      stage.stop({ code: 'test', message: 'a stop', remedy: '', reaction });
    }
    if (!stage.wantsChunk() || random() < 0.3) continue;
    if (random() < 0.3) goal = arm.joints.map(({ lower, upper }) => lower + (upper - lower) * random());
    const noise = random() < 0.5 ? 0.2 : 0.01;
    const steps = Array.from({ length: 16 }, (_, k) => [
      ...at.map((q, j) => q + ((goal[j]! - q) * (k + 1)) / 16 + noise * (random() - 0.5)),
      random() < 0.5 ? 0 : 255,
    ]);
    stage.offer({ planner: 'test', stamp: clock.now(), stepS, instruction: '', steps });
  }
  clock.advanceTo(clock.now() + fromSeconds(1));
  stage.close();
  await bus.close();
  return sent;
}

const play = (
  sent: readonly SentCommand[],
  arm: Arm,
  settings: Partial<ControllerSettings>,
  link: LinkSettings,
  clockAheadS: number,
): ControlledArmFigures =>
  playCommands(sent, {
    arm,
    settings: { ...defaultSettings('jazzy'), ...settings },
    link,
    clockAheadS,
    lagS: 0.05,
    seed: 5,
    start: HOME,
  });

function isWithin(figures: ControlledArmFigures): void {
  expect(figures.refused).toBe(0);
  expect(figures.velocity.share).toBeLessThanOrEqual(1 + 1e-6);
  expect(figures.acceleration.share).toBeLessThanOrEqual(1 + 1e-5);
  expect(figures.jerk.share).toBeLessThanOrEqual(1 + 2e-3);
  // It does use the arm.
  expect(figures.acceleration.share).toBeGreaterThan(0.9);
}

const CONTROLLERS: readonly Partial<ControllerSettings>[] = (['humble', 'jazzy'] as const).flatMap((distribution) =>
  (['desired', 'measured'] as const).map((interpolatesFrom) => ({
    ...defaultSettings(distribution),
    interpolatesFrom,
    allowsMovingEnd: false,
  })),
);
const LOCAL: LinkSettings = { delayS: [0, 0.02], loss: 0 };
const BAD: LinkSettings = { delayS: [0, 0.1], loss: 0.1 };

describe.each(['asynchronous', 'synchronous'] as const)('what is sent in %s mode', (mode) => {
  it.each([
    ['fr3', fr3],
    ['panda', panda],
  ] as const)('keeps every limit of the %s at 1 kHz on one machine, with the defaults', async (_, arm) => {
    const sent = await streamOf({ arm, mode, rateHz: 15, commitTicks: 2, seed: 1, seconds: 25 });
    expect(sent.length).toBeGreaterThan(150);
    for (const settings of CONTROLLERS) {
      isWithin(play(sent, arm, settings, PERFECT_LINK, 0));
      isWithin(play(sent, arm, settings, LOCAL, -0.04));
      isWithin(play(sent, arm, settings, LOCAL, 0.04));
    }
  });
  it('keeps them over a network that delays and loses messages, with more committed ticks', async () => {
    const sent = await streamOf({ arm: fr3, mode, rateHz: 15, commitTicks: 10, seed: 2, seconds: 25 });
    for (const settings of CONTROLLERS) isWithin(play(sent, fr3, settings, BAD, 0.05));
  });
  it.each([100, 500])('keeps them at %i Hz', async (rateHz) => {
    const commitTicks = Math.ceil(0.02 * rateHz) + 2;
    const sent = await streamOf({ arm: fr3, mode, rateHz, commitTicks, seed: 3, seconds: 4 });
    isWithin(play(sent, fr3, CONTROLLERS[3]!, { delayS: [0, 0.015], loss: 0 }, 0));
  });
});
