import { z } from 'zod';
import { ConfigurationError } from '../core/errors.js';
import type { Grounder } from '../grounding/grounder.js';
import type { LiftPointsOptions } from '../grounding/lift-points.js';
import { MaskGrounder } from '../grounding/mask-grounder.js';
import { TrackGrounder } from '../grounding/track-grounder.js';
import { entry, Registry } from './registry.js';
import type { World } from './world.js';

export interface GrounderContext {
  readonly world: World;
  readonly lifting: LiftPointsOptions;
}

/** Who can find the object where nobody clicks. Null waits for a click. */
export const GROUNDERS = new Registry<GrounderContext, Grounder | null>(
  'grounder',
  [
    entry({
      name: 'auto',
      summary: 'the known tracks of a recording, or the masks of the simulator, where there are some; else a click',
      options: z.strictObject({}),
      open: ({ world, lifting }: GrounderContext) =>
        Promise.resolve(tracksOf(world, lifting) ?? masksOf(world, lifting)),
    }),
    entry({
      name: 'click',
      summary: 'only clicks',
      options: z.strictObject({}),
      open: () => Promise.resolve(null),
    }),
    entry({
      name: 'tracks',
      summary: 'the known tracks of a recording',
      options: z.strictObject({}),
      open: ({ world, lifting }: GrounderContext) => {
        const grounder = tracksOf(world, lifting);
        if (grounder) return Promise.resolve(grounder);
        throw unavailable('tracks', 'no point tracks are known here');
      },
    }),
    entry({
      name: 'mask',
      summary: "the simulator's own mask of the object that the instruction names",
      options: z.strictObject({}),
      open: ({ world, lifting }: GrounderContext) => {
        const grounder = masksOf(world, lifting);
        if (grounder) return Promise.resolve(grounder);
        throw unavailable('mask', 'only the simulator knows which pixels belong to what');
      },
    }),
  ],
  null,
);

function tracksOf({ tracks }: World, lifting: LiftPointsOptions): Grounder | null {
  return tracks && new TrackGrounder(tracks, lifting);
}

function masksOf({ truth }: World, lifting: LiftPointsOptions): Grounder | null {
  return truth?.maskOf ? new MaskGrounder(truth.maskOf, lifting) : null;
}

function unavailable(name: string, why: string): ConfigurationError {
  return new ConfigurationError({
    code: `grounder.${name}`,
    message: `the grounder "${name}" has nothing to go by: ${why}`,
    remedy: 'choose another grounder, or click',
  });
}
