import type { PixelSize, Sequence } from './sequence.js';
import { LOCATION_CELLS } from './architecture.js';
import type { GroundingTokens } from './model-input.js';
import type { Pixel } from '../core/vector.js';

/** What grounding tokens chose: an image token, one of the patches pooled in it, and a cell of that patch. */
export interface Selection {
  readonly imageToken: number;
  readonly slot: number;
  readonly cell: number;
}

/** A point that a model marked with grounding tokens. */
export interface GroundedPoint {
  /** Place of the picture or frame among those that were given, from 0 on. */
  readonly image: number;
  readonly id: number;
  readonly pixel: Pixel;
}

interface GroundedAnswer {
  readonly tokens: readonly number[];
  /** What each grounding token chose, -1 of text. */
  readonly choices: readonly number[];
}

const CELLS_PER_SIDE = Math.sqrt(LOCATION_CELLS);
/** Width of a cell in patches as the published decoder has it, instead of a third. */
const CELL_WIDTH = 0.33;
/** The object's number stands directly behind the three grounding tokens. */
const OBJECT_ID = /^ ?([0-9]+)/;

/** All complete selections in the order of the answer, and where the text behind each begins. */
export function selectionsOf(
  { tokens, choices }: GroundedAnswer,
  { patch, subpatch, location }: GroundingTokens,
): (Selection & { readonly end: number })[] {
  const found: (Selection & { readonly end: number })[] = [];
  for (let i = 0; i + 2 < tokens.length; i++) {
    if (tokens[i] !== patch || tokens[i + 1] !== subpatch || tokens[i + 2] !== location) continue;
    found.push({ imageToken: choices[i]!, slot: choices[i + 1]!, cell: choices[i + 2]!, end: i + 3 });
  }
  return found;
}

/**
 * Points of an answer with grounding tokens. As in the published decoder, a point without a number behind it, or in a slot that holds no patch,
 * is left out.
 * @param images sizes of the given pictures, pixels. @param decode text of tokens.
 */
export function groundedPoints(
  answer: GroundedAnswer,
  grounding: GroundingTokens,
  sequence: Sequence,
  images: readonly PixelSize[],
  decode: (tokens: readonly number[]) => string,
): GroundedPoint[] {
  const isGrounding = new Set([grounding.patch, grounding.subpatch, grounding.location]);
  return selectionsOf(answer, grounding).flatMap(({ end, ...selection }) => {
    const next = answer.tokens.findIndex((token, i) => i >= end && isGrounding.has(token));
    const text = decode(answer.tokens.slice(end, next < 0 ? answer.tokens.length : next));
    const id = OBJECT_ID.exec(text)?.[1];
    const place = id === undefined ? null : placeOf(selection, sequence, images);
    return place ? [{ ...place, id: Number(id) }] : [];
  });
}

function placeOf(
  { imageToken, slot, cell }: Selection,
  { tokenPooling, window, grids, imageOrder }: Sequence,
  images: readonly PixelSize[],
): Omit<GroundedPoint, 'id'> | null {
  const patch = tokenPooling[imageToken * window + slot] ?? -1;
  if (patch < 0) return null;
  for (const [k, { rows, columns, ids }] of grids.entries()) {
    const at = ids.indexOf(patch);
    if (at < 0) continue;
    const image = imageOrder[k]!;
    const { width, height } = images[image]!;
    // The column is the slow index of the cells.
    const x = (at % columns) + (Math.floor(cell / CELLS_PER_SIDE) + 0.5) * CELL_WIDTH;
    const y = Math.floor(at / columns) + ((cell % CELLS_PER_SIDE) + 0.5) * CELL_WIDTH;
    return { image, pixel: [(x / columns) * width, (y / rows) * height] };
  }
  return null;
}
