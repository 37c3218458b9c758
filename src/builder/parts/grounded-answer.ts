import type { GroundingArchitecture } from '../../inference/architecture.js';
import { LOCATION_CELLS } from '../../inference/architecture.js';
import type { GroundingTokens } from '../../inference/model-input.js';
import type { Algebra } from '../../onnx/algebra.js';
import type { Tensor } from '../../onnx/graph.js';
import type { GroundingHead, GroundingMemory } from './grounding.js';
import type { LanguageModel, LayerCache } from './language.js';

/** Native decoding's score of what the rules leave out. It beats the score of a token that can never be chosen, as there. */
const LEFT_OUT = -1e5;
const LOWEST = -3.4028234663852886e38;

export interface GroundedDecoding {
  readonly language: LanguageModel;
  readonly head: GroundingHead;
  readonly rules: GroundingArchitecture;
  readonly memory: GroundingMemory;
  readonly grounding: GroundingTokens;
  readonly eos: number;
}

/** What was said last, and what the rules of order look back at; each int64 [1], -1 for nothing yet. */
interface Said {
  readonly token: Tensor;
  /** What a grounding token chose: an image token (N for no more points), a slot, or a cell. */
  readonly choice: Tensor;
  /** The image token of the last point, and of the point before it. */
  readonly patch: Tensor;
  readonly patchBefore: Tensor;
  readonly slot: Tensor;
  /** 1 once "no more points" was said. */
  readonly ended: Tensor;
}
const SAID = ['token', 'choice', 'patch', 'patchBefore', 'slot', 'ended'] as const;

/** Scores of one step, for those who look at them. */
interface StepScores {
  readonly hidden: Tensor;
  readonly logits: Tensor;
  readonly tokens: Tensor;
  readonly slots: Tensor;
  readonly cells: Tensor;
}

/**
 * Greedy decoding with grounding tokens (MolmoPoint): PATCH is said where its logit wins, and the image token with the best score is its choice;
 * SUBPATCH and LOCATION always follow. Points come in the order of the image tokens, none twice, and none after "no more points".
 * @param last residual stream of the prompt's last token, [1, width]; its token is never PATCH. @param maxNewTokens int64 scalar, 1 or more.
 * @returns `tokens` and their `choices` (-1 of text), int64 [steps] each.
 */
export function groundedAnswer(
  g: Algebra,
  decoding: GroundedDecoding,
  last: Tensor,
  caches: readonly LayerCache[],
  promptLength: Tensor,
  maxNewTokens: Tensor,
): { readonly tokens: Tensor; readonly choices: Tensor } {
  const { language, eos } = decoding;
  const firstLogits = language.logits(g, last);
  const nothing = g.ints([-1]);
  const first: Said = {
    token: g.argmax(withoutGrounding(g, firstLogits, decoding, g.bool(true)), 1),
    choice: nothing,
    patch: nothing,
    patchBefore: nothing,
    slot: nothing,
    ended: g.ints([0]),
  };
  const past = caches.flatMap(({ keys, values }) => [keys, values]);
  const { collected } = g.loop(
    g.sub(maxNewTokens, g.int(1)),
    g.not(g.equal(g.squeeze(first.token, [0]), g.int(eos))),
    [...SAID.map((name) => first[name]), ...past],
    (inner, i, carried) => {
      const said = Object.fromEntries(SAID.map((name, k) => [name, carried[k]!])) as unknown as Said;
      const kept = carried.slice(SAID.length);
      const cached = caches.map((_, layer): LayerCache => ({ keys: kept[2 * layer]!, values: kept[2 * layer + 1]! }));
      const step = language.further(inner, embed(inner, decoding, said), inner.add(promptLength, i), cached, true);
      const { next, scores } = say(inner, decoding, said, step.hidden);
      return {
        goOn: inner.not(inner.equal(inner.squeeze(next.token, [0]), inner.int(eos))),
        carried: [...SAID.map((name) => next[name]), ...step.caches.flatMap(({ keys, values }) => [keys, values])],
        collected: [
          next.token,
          next.choice,
          ...(inner.tracing ? [scores.hidden, scores.logits, scores.tokens, scores.slots, scores.cells] : []),
        ],
      };
    },
  );
  if (g.tracing) trace(g, language.vocabulary, last, firstLogits, collected.slice(2));
  // A loop that is never entered collects nothing, of no shape.
  const answer = (head: Tensor, rest: Tensor): Tensor => g.concat([head, g.reshape(rest, [-1])], 0);
  return { tokens: answer(first.token, collected[0]!), choices: answer(first.choice, collected[1]!) };
}

/** Scores of every step; `candidates`, `slot_scores` and `cell_scores` begin with the second token, since the first is never a point. */
function trace(
  g: Algebra,
  vocabulary: number,
  last: Tensor,
  firstLogits: Tensor,
  [hidden, logits, tokens, slots, cells]: readonly Tensor[],
): void {
  const width = g.size(last, 1);
  g.trace('answer_hidden', g.concat([last, g.reshape(hidden!, [-1, width])], 0), ['steps', 'width']);
  g.trace('logits', g.concat([firstLogits, g.reshape(logits!, [-1, vocabulary])], 0), ['steps', 'vocabulary']);
  g.trace('token_scores', g.reshape(tokens!, [-1]), ['scores']);
  g.trace('slot_scores', g.reshape(slots!, [-1]), ['scores']);
  g.trace('cell_scores', g.reshape(cells!, [-1, LOCATION_CELLS]), ['later_steps', LOCATION_CELLS]);
}

/** The last token as the decoder's next input, [1, width]: PATCH with its image feature, SUBPATCH with its patch's features. */
function embed(g: Algebra, { language, head, rules, memory, grounding }: GroundedDecoding, said: Said): Tensor {
  const plain = language.embed(g, said.token);
  const patch = g.max(said.patch, g.int(0));
  const pointed = g.add(plain, g.gather(memory.imageFeatures, patch));
  const chosen = head.slotEmbedding(g, patch, g.max(said.slot, g.int(0)), memory);
  const slotted = rules.addsSubpatch ? g.add(plain, chosen) : chosen;
  const either = g.where(g.unsqueeze(isSubpatch(g, said, grounding), [1]), slotted, plain);
  return g.where(g.unsqueeze(isPoint(g, said, memory, grounding), [1]), pointed, either);
}

/** bool [1]: PATCH was said, and it was not "no more points". */
function isPoint(g: Algebra, said: Said, { count }: GroundingMemory, { patch }: GroundingTokens): Tensor {
  return g.and(g.equal(said.token, g.int(patch)), g.less(said.choice, count));
}

function isSubpatch(g: Algebra, said: Said, { subpatch }: GroundingTokens): Tensor {
  return g.equal(said.token, g.int(subpatch));
}

/** The next token, its choice, and what the rules remember of it. */
function say(
  g: Algebra,
  decoding: GroundedDecoding,
  said: Said,
  hidden: Tensor,
): { readonly next: Said; readonly scores: StepScores } {
  const { language, head, memory, grounding } = decoding;
  const scores: StepScores = {
    hidden,
    logits: language.logits(g, hidden),
    tokens: head.tokenScores(g, hidden, said.patch, memory),
    slots: head.slotScores(g, hidden, g.max(said.patch, g.int(0)), memory),
    cells: head.cellScores(g, hidden),
  };
  const { patch: bestPatch, isRefused } = choosePatch(g, decoding, said, scores);
  const mayNotPoint = g.or(g.equal(g.squeeze(said.ended, [0]), g.int(1)), g.squeeze(isRefused, [0]));
  const text = g.argmax(withoutGrounding(g, scores.logits, decoding, mayNotPoint), 1);
  const afterPatch = isPoint(g, said, memory, grounding);
  const afterSubpatch = isSubpatch(g, said, grounding);
  const forced = (patch: Tensor, subpatch: Tensor, otherwise: Tensor): Tensor =>
    g.where(afterPatch, patch, g.where(afterSubpatch, subpatch, otherwise));
  const token = forced(g.ints([grounding.subpatch]), g.ints([grounding.location]), text);
  const saysPatch = g.equal(token, g.int(grounding.patch));
  const slot = chooseSlot(g, decoding, said, scores);
  const choice = forced(slot, g.argmax(scores.cells, 1), g.where(saysPatch, bestPatch, g.ints([-1])));
  const isNewPoint = g.and(saysPatch, g.less(choice, memory.count));
  const isEnd = g.and(saysPatch, g.not(isNewPoint));
  return {
    next: {
      token,
      choice,
      patch: g.where(isNewPoint, choice, said.patch),
      patchBefore: g.where(isNewPoint, said.patch, said.patchBefore),
      slot: g.where(afterPatch, slot, said.slot),
      ended: g.where(isEnd, g.ints([1]), said.ended),
    },
    scores,
  };
}

/** Logits with SUBPATCH and LOCATION left out, and PATCH where there may be no point. */
function withoutGrounding(g: Algebra, logits: Tensor, decoding: GroundedDecoding, mayNotPoint: Tensor): Tensor {
  const { patch, subpatch, location } = decoding.grounding;
  const ids = g.range(g.size(logits, 1));
  const isPatch = g.and(g.equal(ids, g.int(patch)), mayNotPoint);
  const isOut = g.or(isPatch, g.or(g.equal(ids, g.int(subpatch)), g.equal(ids, g.int(location))));
  return g.where(g.unsqueeze(isOut, [0]), g.float(LOWEST), logits);
}

/**
 * The image token that PATCH would choose, int64 [1]: none before the last one, and not the last one again where its last slot is used up.
 * Native decoding takes the best of those left; the port takes the best of all, and refuses to point where the rules forbid that one.
 */
function choosePatch(
  g: Algebra,
  { rules, memory }: GroundedDecoding,
  said: Said,
  { tokens, slots }: StepScores,
): { readonly patch: Tensor; readonly isRefused: Tensor } {
  const isUsedUp = g.equal(said.slot, g.sub(g.size(slots, 1), g.int(1)));
  const firstAllowed = g.add(said.patch, g.cast(isUsedUp, 'int64'));
  if (!rules.ordersBeforeChoice) {
    const patch = g.argmax(tokens, 1);
    return { patch, isRefused: g.less(patch, firstAllowed) };
  }
  const candidates = g.range(g.add(memory.count, g.int(1)));
  const isBefore = g.less(candidates, firstAllowed);
  const isEmptyList = g.and(g.less(said.patch, g.int(0)), g.equal(candidates, memory.count));
  const isOut = rules.firstIsPoint ? g.or(isBefore, isEmptyList) : isBefore;
  const patch = g.argmax(g.where(g.unsqueeze(isOut, [0]), g.float(LEFT_OUT), tokens), 1);
  return { patch, isRefused: g.less(patch, g.ints([0])) };
}

/** The slot that SUBPATCH chooses, int64 [1]: of an image token chosen twice in a row, only those behind the slot of the first time. */
function chooseSlot(g: Algebra, { rules }: GroundedDecoding, said: Said, { slots }: StepScores): Tensor {
  const isRepeat = g.equal(said.patch, said.patchBefore);
  const isOut = g.and(isRepeat, g.lessOrEqual(g.range(g.size(slots, 1)), said.slot));
  // Native decoding scores what is left out like an empty slot, the port below it: they differ where only empty slots are left.
  const leftOut = rules.ordersBeforeChoice ? LEFT_OUT : LOWEST;
  return g.argmax(g.where(g.unsqueeze(isOut, [0]), g.float(leftOut), slots), 1);
}
