import { InputError } from '../core/errors.js';
import { roundHalfEven } from '../core/rounding.js';
import { patchGrid, type Architecture } from './architecture.js';
import type { FrameLayout, ImageLayout, Layout, TokenIds } from './model-input.js';
import { cropGrid, poolGrid, type PatchGrid, type PooledGrid } from './pooling.js';
import { selectTiling, tileGrid, type Tiling } from './tiling.js';
import type { Tokenizer } from './tokenizer.js';

export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** Everything of a model's input that is not pixels. */
export interface Sequence {
  /** BOS, vision tokens, text. */
  readonly inputIds: readonly number[];
  /** Row-major [image tokens, window], patch ids over all crops of all images, -1 for an empty slot. */
  readonly tokenPooling: readonly number[];
  /** Slots of a window. */
  readonly window: number;
  /** Which of the given pictures is the model's first, second, ... */
  readonly imageOrder: readonly number[];
  /** For each of the model's images, where the layout tiles. */
  readonly tilings: readonly Tiling[];
  /** For each of the model's images or frames, which patch stands where in what can be pointed at. */
  readonly grids: readonly PatchGrid[];
}

export interface SequencePlan {
  readonly architecture: Pick<Architecture, 'vision' | 'language'>;
  readonly layout: Layout;
  readonly tokens: TokenIds;
  /** Of the frames, seconds; MolmoMotion, for which they are left out, counts frames instead. */
  readonly times?: readonly number[] | undefined;
}

/** Where one part of the vision tokens is written. */
interface Parts {
  readonly ids: number[];
  readonly pooling: number[];
  readonly tilings: Tiling[];
  readonly grids: PatchGrid[];
  /** Patches of the crops so far. */
  patches: number;
}

/**
 * A model's input from pictures and chat text, as the published preprocessors lay it out: `BOS | vision tokens | text`.
 * @throws InputError `input.images` for none or too many pictures, `input.length` where there is no room for `reserve` tokens of answer.
 */
export function layOutSequence(
  plan: SequencePlan,
  tokenizer: Tokenizer,
  images: readonly PixelSize[],
  text: string,
  reserve = 0,
): Sequence {
  const { layout, tokens } = plan;
  const most = layout.kind === 'images' ? layout.maxImages : layout.maxFrames;
  if (images.length === 0 || images.length > most) {
    throw new InputError({
      code: 'input.images',
      message: `${images.length} pictures were given, but this model takes 1 to ${most}`,
      remedy:
        images.length === 0
          ? 'give at least one picture'
          : 'leave pictures out: a surplus is never dropped silently, since it could be the wrist camera',
    });
  }
  const parts: Parts = { ids: [tokens.bos], pooling: [], tilings: [], grids: [], patches: 0 };
  const isPaired = layout.kind === 'images' && layout.labels === 'views' && images.length > 1;
  const imageOrder = isPaired ? viewOrder(images.length) : images.map((_, i) => i);
  const ordered = imageOrder.map((i) => images[i]!);
  const window =
    layout.kind === 'images'
      ? addImages(plan, layout, tokenizer, ordered, parts)
      : addFrames(plan, layout, tokenizer, images.length, parts);
  // Not push(...): an absurdly long text is to be refused, not to overflow the stack.
  for (const id of tokenizer.encode(text)) parts.ids.push(id);
  const { maxLength } = plan.architecture.language;
  if (parts.ids.length + reserve > maxLength) {
    throw new InputError({
      code: 'input.length',
      message: `the prompt has ${parts.ids.length} tokens${reserve > 0 ? ` and ${reserve} are asked for in answer` : ''}, more than the ${maxLength} of this model`,
      remedy: 'shorten the instruction, or ask for fewer tokens; a prompt that is cut loses its end',
    });
  }
  return {
    inputIds: parts.ids,
    tokenPooling: parts.pooling,
    window: window[0] * window[1],
    imageOrder,
    tilings: parts.tilings,
    grids: parts.grids,
  };
}

/** Timestamps have one decimal: `0.0 `, ` 1.0 `, ` 2.0 `, each a text of its own. */
function addFrames(
  { architecture, tokens, times }: SequencePlan,
  layout: FrameLayout,
  tokenizer: Tokenizer,
  frames: number,
  parts: Parts,
): readonly [number, number] {
  const [rows, columns] = patchGrid(architecture.vision);
  const each = layout.frameTokens === 'each';
  if (!each) parts.ids.push(tokens.frameStart);
  for (let frame = 0; frame < frames; frame++) {
    const grid = cropGrid(rows, columns, parts.patches);
    parts.grids.push(grid);
    const pooled = poolGrid(grid, layout.pooling);
    parts.ids.push(...tokenizer.encode(`${frame === 0 ? '' : ' '}${frameLabel(times?.[frame] ?? frame)} `));
    if (each) parts.ids.push(tokens.frameStart);
    addGrid(pooled, null, tokens.imagePatch, parts);
    if (each) parts.ids.push(tokens.frameEnd);
    parts.patches += rows * columns;
  }
  if (!each) parts.ids.push(tokens.frameEnd);
  return layout.pooling;
}

/** Seconds with one decimal as Python writes them: a time halfway between two goes to the even one. */
export function frameLabel(seconds: number): string {
  // Only quarters and their odd multiples are halfway in binary; all others are rounded alike by both languages.
  return Number.isInteger(seconds * 4) ? (roundHalfEven(seconds * 10) / 10).toFixed(1) : seconds.toFixed(1);
}

/** A single picture has no label. */
function addImages(
  plan: SequencePlan,
  layout: ImageLayout,
  tokenizer: Tokenizer,
  images: readonly PixelSize[],
  parts: Parts,
): readonly [number, number] {
  const isList = images.length > 1;
  const pooling = isList ? layout.multiImagePooling : layout.pooling;
  const labels = isList ? labelImages(layout, images.length) : null;
  images.forEach((image, at) => {
    if (labels) parts.ids.push(...tokenizer.encode(labels[at]!));
    addImage(plan, layout, image, pooling, isList ? layout.multiImageMaxTiles : layout.maxTiles, parts);
  });
  return pooling;
}

function labelImages(layout: ImageLayout, count: number): string[] {
  if (layout.labels === 'sequence') return Array.from({ length: count }, (_, i) => `Image ${i + 1}`);
  if (count % 2 !== 0 || layout.maxImages % 2 !== 0) {
    throw new InputError({
      code: 'input.images',
      message: `${count} pictures of at most ${layout.maxImages} were given, but this model pairs two cameras`,
      remedy: 'give as many pictures of the second camera as of the first',
    });
  }
  // A short window, early in an episode, starts at a higher number.
  const first = layout.maxImages / 2 - count / 2;
  return Array.from({ length: count }, (_, i) => `Image ${first + Math.floor(i / 2)} View ${(i % 2) + 1}`);
}

/** The first half of the list is the first camera's; pairs are taken from both halves. */
function viewOrder(count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(i / 2) + (i % 2) * (count / 2));
}

function addImage(
  { architecture: { vision }, tokens }: SequencePlan,
  layout: ImageLayout,
  { width, height }: PixelSize,
  pooling: readonly [number, number],
  maxTiles: number,
  parts: Parts,
): void {
  const [rows, columns] = patchGrid(vision);
  const wholeGrid = cropGrid(rows, columns, parts.patches);
  const whole = poolGrid(wholeGrid, pooling);
  const tiled = layout.crops === 'overlap-and-resize-c2';
  parts.ids.push(tiled && layout.lowResolutionStart ? tokens.lowResolutionStart : tokens.imageStart);
  const wholeToken = tiled && layout.lowResolutionPatches ? tokens.imageLow : tokens.imagePatch;
  addGrid(whole, layout.columnTokens ? tokens.imageColumn : null, wholeToken, parts);
  parts.ids.push(tokens.imageEnd);
  parts.patches += rows * columns;
  if (!tiled) {
    parts.grids.push(wholeGrid);
    return;
  }
  const tiling = selectTiling(height, width, maxTiles, vision, layout);
  parts.tilings.push(tiling);
  const grid = tileGrid(tiling, vision, layout.overlapMargins, parts.patches);
  parts.grids.push(grid);
  parts.ids.push(tokens.imageStart);
  addGrid(poolGrid(grid, pooling), layout.tileColumnTokens ? tokens.imageColumn : null, tokens.imagePatch, parts);
  parts.ids.push(tokens.imageEnd);
  parts.patches += tiling[0] * tiling[1] * rows * columns;
}

function addGrid(
  { rows, columns, windows }: PooledGrid,
  columnToken: number | null,
  patchToken: number,
  parts: Parts,
): void {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) parts.ids.push(patchToken);
    if (columnToken !== null) parts.ids.push(columnToken);
  }
  for (const patch of windows) parts.pooling.push(patch);
}
