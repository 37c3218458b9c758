import { beforeEach, expect, it } from '@jest/globals';
import { InputError } from '../../src/core/errors.js';
import type { CameraFrame } from '../../src/core/observation.js';
import { liftedPoints, type QueryPoints } from '../../src/core/query-points.js';
import { fromSeconds, toSeconds } from '../../src/core/time.js';
import type { Vector3 } from '../../src/core/vector.js';
import { CameraModel } from '../../src/geometry/camera-model.js';
import { invert, type Transform } from '../../src/geometry/transform.js';
import type { GroundingRequest } from '../../src/grounding/grounder.js';
import { HeldObjectGrounder } from '../../src/grounding/held-object-grounder.js';

const model = new CameraModel({ width: 320, height: 180, fx: 150, fy: 150, cx: 159.5, cy: 89.5 });
const POINTS: Vector3[] = Array.from({ length: 8 }, (_, i) => [0.01 * i, 0.01 * (i % 3), 0.8]);
const still = (x: number, y: number, z: number): Transform => ({ translation: [x, y, z], rotation: [0, 0, 0, 1] });
/** The camera stands at x = 1; the hand goes to the left, 1 m a second. */
const CAMERA = still(1, 0, 0);
const handAt = (seconds: number): Transform => still(2 - seconds, 0, 0.5);

/** When the gripper closed. */
let held: bigint | null = null;
/** Points that the other grounder lifts; an error when it sees nothing at all. */
let seen = 8;
let grounder: HeldObjectGrounder;

beforeEach(() => {
  held = null;
  seen = 8;
  grounder = new HeldObjectGrounder(
    {
      name: 'other',
      ground: ({ window }) => {
        if (seen < 0)
          return Promise.reject(new InputError({ code: 'grounding.hidden', message: 'hidden', remedy: '' }));
        const { camera, frameId, stamp } = window.at(-1)!;
        const points = POINTS.map((position, i) => ({ pixel: [0, 0] as const, position: i < seen ? position : null }));
        return Promise.resolve({
          camera,
          frameId,
          stamp,
          points,
          history: [POINTS.slice(0, seen)],
          historyStamps: [stamp],
          tracks: null,
        });
      },
    },
    { heldSince: () => held, handFrame: 'hand', fixedFrame: 'base' },
  );
});

function ask(...seconds: number[]): Promise<QueryPoints | null> {
  const window = seconds.map(
    (s) => ({ camera: 'exo', frameId: 'exo_optical', stamp: fromSeconds(s), model }) as unknown as CameraFrame,
  );
  const poses: Readonly<Record<string, (s: number) => Transform>> = {
    exo_optical: () => CAMERA,
    hand: handAt,
    base: () => still(0, 0, 0),
  };
  const lookup: GroundingRequest['lookup'] = (target, source, stamp) => {
    const [a, b] = [invert(poses[target]!(toSeconds(stamp))), poses[source]!(toSeconds(stamp))];
    return still(...(a.translation.map((x, i) => x + b.translation[i as 0 | 1 | 2]) as [number, number, number]));
  };
  return grounder.ground({ window, instruction: '', intoT0: () => still(0, 0, 0), lookup });
}

it('lets the other one speak while nothing is held, or while it sees enough', async () => {
  expect(liftedPoints((await ask(0))!)).toHaveLength(8);
  held = fromSeconds(0.5);
  seen = 6;
  expect(liftedPoints((await ask(1))!)).toHaveLength(6);
});

it.each([
  ['a few points', 3],
  ['nothing', -1],
])('takes the points along with the hand when %s can be seen', async (_, left) => {
  await ask(0);
  // On its way down the hand hides most of it: what was seen before counts.
  seen = 2;
  await ask(0.5);
  // It closed before it was asked for the first time.
  held = fromSeconds(1);
  seen = left;
  await ask(1.2);
  const query = (await ask(1.4, 1.5))!;
  const x = (row: readonly (Vector3 | null)[]): number[] => row.map((p) => p![0]);
  // Half a second after the gripper closed the hand has gone half a metre.
  expect(x(query.history[1]!)).toEqual(POINTS.map((p) => expect.closeTo(p[0] - 0.5, 9)));
  expect(x(query.history[0]!)).toEqual(POINTS.map((p) => expect.closeTo(p[0] - 0.4, 9)));
  expect(query.points.map(({ position }) => position)).toEqual(query.history[1]);
  expect(query.points[7]!.pixel).toEqual(model.project(query.points[7]!.position!));
});

it('knows nothing any more of an object that was let go', async () => {
  await ask(0);
  held = fromSeconds(1);
  seen = -1;
  await ask(1);
  held = null;
  await expect(ask(2)).rejects.toThrow('hidden');
  seen = 1;
  await ask(2.5);
  held = fromSeconds(3);
  expect(liftedPoints((await ask(3))!)).toHaveLength(1);
});
