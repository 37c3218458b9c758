import type { QueryPoints } from '../core/query-points.js';
import type { Pixel } from '../core/vector.js';
import type { ClickGrounder } from '../grounding/click-grounder.js';
import type { Grounder, GroundingRequest } from '../grounding/grounder.js';

/** Asks at the same pixels again for every forecast: an object that stays where it is may be missed by the gripper, and tried again. */
export class RepeatedClick implements Grounder {
  readonly name: string;
  readonly #clicks: ClickGrounder;
  readonly #pixels: readonly { readonly camera: string; readonly pixel: Pixel }[];

  constructor(clicks: ClickGrounder, pixels: readonly { readonly camera: string; readonly pixel: Pixel }[]) {
    this.name = clicks.name;
    this.#clicks = clicks;
    this.#pixels = pixels;
  }

  ground(request: GroundingRequest): Promise<QueryPoints | null> {
    for (const { camera, pixel } of this.#pixels) this.#clicks.click(camera, pixel);
    return this.#clicks.ground(request);
  }
}
