import { describe, expect, it } from '@jest/globals';
import { PERFECT_LINK, type LinkSettings } from '../../src/controller/command-link.js';
import { defaultSettings, type ControllerSettings } from '../../src/controller/controller-settings.js';
import type { ControlledArmFigures } from '../../src/controller/controlled-arm.js';
import { playCommands } from '../../src/controller/play-commands.js';
import { seededRandom } from '../../src/core/random.js';
import { loadArm } from '../../src/files/arm-file.js';
import { sentCurve, type Sending } from './made-curve.js';

/*
 * Layouts of a stream at 15 Hz of a curve that is within its limits, as a controller commands it. The shares that are expected were found with another
 * model of the same controller, on other curves; they are orders of magnitude, and 1 is one.
 */
const fr3 = await loadArm('fr3');
// Without the envelope, which the curves of these tests do not keep.
const arm = { ...fr3, joints: fr3.joints.map((joint) => ({ ...joint, envelope: undefined })) };
const HOME = [0, 0, 0, -1.6, 0, 2.5, 0];
const BAD_LINK: LinkSettings = { delayS: [0, 0.1], loss: 0.1 };
const WHOLE: Sending = { fields: 'pva', from: -2, committed: 8 };

function play(
  sending: Sending,
  link: LinkSettings,
  settings: Partial<ControllerSettings> = {},
  clockAheadS = 0,
): ControlledArmFigures {
  const commands = sentCurve(arm, seededRandom(7), 100, HOME, sending);
  return playCommands(commands, {
    arm,
    settings: { ...defaultSettings('jazzy'), ...settings },
    link,
    clockAheadS,
    lagS: 0.02,
    seed: 3,
    start: HOME,
  });
}

const LINKS: readonly (readonly [string, LinkSettings])[] = [
  ['a perfect link', PERFECT_LINK],
  ['0 to 100 ms and every tenth message lost', BAD_LINK],
];
const STARTS = ['desired', 'measured'] as const;

describe('a stream of the known curve with its history and tail, by an absolute stamp,', () => {
  for (const [name, link] of LINKS)
    for (const interpolatesFrom of STARTS)
      for (const distribution of ['humble', 'jazzy'] as const)
        it(`is followed exactly by ${distribution} from the ${interpolatesFrom} state over ${name}`, () => {
          for (const fields of ['pv', 'pva'] as const) {
            const figures = play({ ...WHOLE, fields }, link, {
              ...defaultSettings(distribution),
              allowsMovingEnd: false,
              interpolatesFrom,
            });
            expect(figures.refused).toBe(0);
            for (const { share } of [figures.velocity, figures.acceleration]) {
              expect(share).toBeGreaterThan(0.9);
              expect(share).toBeLessThanOrEqual(1 + 1e-6);
            }
            expect(figures.jerk.share).toBeLessThan(0.1);
            expect(figures.stepRad).toBeLessThanOrEqual(1.0001e-5);
          }
        });
  it('bears clocks that are apart by less than the history, and not those that are further apart', () => {
    for (const ahead of [-0.1, 0.1])
      expect(play(WHOLE, PERFECT_LINK, {}, ahead).acceleration.share).toBeLessThan(1.001);
    expect(play({ ...WHOLE, from: 0 }, PERFECT_LINK, {}, -0.002).acceleration.share).toBeGreaterThan(100);
    expect(play({ ...WHOLE, committed: 2 }, PERFECT_LINK, {}, 0.3).acceleration.share).toBeGreaterThan(2);
  });
  it('bears delays up to one tick less than what is committed', () => {
    const constant = (delayS: number): number =>
      play({ ...WHOLE, committed: 3 }, { delayS: [delayS, delayS], loss: 0 }).acceleration.share;
    expect(constant(0.13)).toBeLessThan(1.001);
    expect(constant(0.2)).toBeGreaterThan(2);
  });
  it('is played again from its beginning by a controller that blends, which makes jumps of it', () => {
    expect(play(WHOLE, PERFECT_LINK, defaultSettings('rolling')).acceleration.share).toBeGreaterThan(100);
    const unblended = { ...defaultSettings('rolling'), blendsTrajectories: false };
    expect(play(WHOLE, PERFECT_LINK, unblended).acceleration.share).toBeLessThan(1.001);
  });
  it('jumps with a speed scaling below 1', () => {
    expect(play(WHOLE, PERFECT_LINK, { speedScaling: 0.99 }).acceleration.share).toBeGreaterThan(50);
  });
});

describe('a stream of one point a message', () => {
  const one: Sending = { fields: 'pv', from: 0, committed: 6, onePoint: true };
  it('is refused by default, since its end is in motion, and the first that is taken pulls the arm there', () => {
    const figures = play(one, PERFECT_LINK);
    expect(figures.refused).toBeGreaterThan(figures.sent / 2);
    expect(figures.firstRefusal!.why).toMatch(/ends in motion/);
  });
  it.each([
    ['desired', PERFECT_LINK, 100, 1000],
    ['desired', BAD_LINK, 1000, 100_000],
    ['measured', PERFECT_LINK, 1000, 30_000],
    ['measured', BAD_LINK, 1000, 100_000],
  ] as const)(
    'where it is allowed, from the %s state over %j: %i to %i times the acceleration',
    (from, link, least, most) => {
      const { acceleration } = play(one, link, { interpolatesFrom: from, allowsMovingEnd: true });
      expect(acceleration.share).toBeGreaterThan(least);
      expect(acceleration.share).toBeLessThan(most);
    },
  );
});

describe('a stream that begins in the next tick', () => {
  it('doubles the first step from the desired state: 260 times the acceleration at full speed', () => {
    const { acceleration } = play({ ...WHOLE, from: 1 }, PERFECT_LINK, { interpolatesFrom: 'desired' });
    // Joints 5 and 7 go twice as fast as the 2.6 rad/s of that figure.
    expect(acceleration.share).toBeGreaterThan(200);
    expect(acceleration.share).toBeLessThan(600);
  });
  it('jumps where it has no stamp and delays differ', () => {
    const figures = play({ ...WHOLE, unstamped: true, from: 0 }, BAD_LINK);
    expect(figures.acceleration.share).toBeGreaterThan(1000);
  });
});

it('an arm that stands elsewhere than where its first message begins is jerked there', () => {
  const commands = sentCurve(arm, seededRandom(7), 20, HOME, WHOLE);
  const figures = playCommands(commands, {
    arm,
    settings: defaultSettings('jazzy'),
    link: PERFECT_LINK,
    clockAheadS: 0,
    lagS: 0,
    seed: 1,
    start: HOME.map((q) => q + 0.005),
  });
  // 5 mrad in 1 ms: 5 rad/s of 2.62, and 5000 rad/s^2 of 10.
  expect(figures.stepRad).toBeCloseTo(0.005, 6);
  expect(figures.velocity.share).toBeCloseTo(5 / 2.62, 2);
  expect(figures.acceleration.share).toBeCloseTo(500, 0);
});
