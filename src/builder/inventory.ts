import { InputError } from '../core/errors.js';
import type { Architecture } from '../inference/architecture.js';
import { LOCATION_CELLS, patchGrid } from '../inference/architecture.js';
import type { StoredTensor } from '../tensors/stored-tensor.js';

/** Names and shapes of all tensors that a checkpoint of an architecture has, in the native layout. Linear weights are [out, in]. */
export function expectedTensors(architecture: Architecture): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const add = (name: string, ...shape: number[]): void => void shapes.set(name, shape);
  const linear = (name: string, out: number, into: number): void => {
    add(`${name}.weight`, out, into);
    add(`${name}.bias`, out);
  };
  const norm = (name: string, width: number): void => {
    add(`${name}.weight`, width);
    add(`${name}.bias`, width);
  };
  addLanguage(architecture, add);
  addVision(architecture, add, linear, norm);
  addActionExpert(architecture, add, linear);
  addTrajectoryExpert(architecture, add, linear);
  addGrounding(architecture, add, linear);
  return shapes;
}

type Add = (name: string, ...shape: number[]) => void;
type AddLinear = (name: string, out: number, into: number) => void;

function addLanguage({ language: llm }: Architecture, add: Add): void {
  const q = llm.heads * llm.headSize;
  const kv = llm.kvHeads * llm.headSize;
  for (let i = 0; i < llm.layers; i++) {
    const block = `transformer.blocks.${i}`;
    add(`${block}.attn_norm.weight`, llm.width);
    add(`${block}.ff_norm.weight`, llm.width);
    add(`${block}.att_proj.weight`, q + 2 * kv, llm.width);
    if (llm.qkvBias) add(`${block}.att_proj.bias`, q + 2 * kv);
    if (llm.qkNorm !== 'none') {
      add(`${block}.q_norm.weight`, llm.qkNorm === 'head' ? llm.headSize : q);
      add(`${block}.k_norm.weight`, llm.qkNorm === 'head' ? llm.headSize : kv);
    }
    add(`${block}.attn_out.weight`, llm.width, q);
    add(`${block}.ff_proj.weight`, 2 * llm.mlpWidth, llm.width);
    add(`${block}.ff_out.weight`, llm.width, llm.mlpWidth);
  }
  add('transformer.ln_f.weight', llm.width);
  add('transformer.wte.embedding', llm.vocabulary, llm.width);
  if (llm.additionalVocabulary > 0) add('transformer.wte.new_embedding', llm.additionalVocabulary, llm.width);
  if (llm.tiedEmbedding) return;
  add('transformer.ff_out.weight', llm.vocabulary, llm.width);
  if (llm.predictsAdditional) add('transformer.ff_out.new_weight', llm.additionalVocabulary, llm.width);
}

function addVision(
  architecture: Architecture,
  add: Add,
  linear: AddLinear,
  norm: (name: string, width: number) => void,
): void {
  const { vision: vit, connector, language } = architecture;
  const [rows, columns] = patchGrid(vit);
  const q = vit.heads * vit.headSize;
  const kv = vit.kvHeads * vit.headSize;
  const root = 'vision_backbone.image_vit';
  add(`${root}.positional_embedding`, rows * columns, vit.width);
  linear(`${root}.patch_embedding`, vit.width, vit.patchSize * vit.patchSize * 3);
  const projections = (name: string, into: number): void => {
    linear(`${name}.wq`, q, into);
    linear(`${name}.wk`, kv, into);
    linear(`${name}.wv`, kv, into);
  };
  for (let j = 0; j < vit.storedBlocks; j++) {
    const block = `${root}.transformer.resblocks.${j}`;
    projections(`${block}.attention`, vit.width);
    linear(`${block}.attention.wo`, vit.width, q);
    linear(`${block}.feed_forward.w1`, vit.mlpWidth, vit.width);
    linear(`${block}.feed_forward.w2`, vit.width, vit.mlpWidth);
    norm(`${block}.attention_norm`, vit.width);
    norm(`${block}.ffn_norm`, vit.width);
  }
  const tapped = vit.taps.length * vit.width;
  const mixes = connector.outputProjection ?? true;
  const pooled = connector.pooling === 'mean' ? tapped : mixes ? vit.width : q;
  if (connector.pooling !== 'mean') {
    projections('vision_backbone.image_pooling_2d', tapped);
    if (mixes) linear('vision_backbone.image_pooling_2d.wo', vit.width, q);
  }
  const projector = 'vision_backbone.image_projector';
  if (connector.projector === 'linear') add(`${projector}.weight`, language.width, pooled);
  else {
    add(`${projector}.w1.weight`, connector.projectorWidth, pooled);
    add(`${projector}.w2.weight`, language.width, connector.projectorWidth);
    add(`${projector}.w3.weight`, connector.projectorWidth, pooled);
  }
}

function addExpertBlock(block: string, width: number, mlpWidth: number, linear: AddLinear): void {
  for (const attention of ['attn1', 'attn2']) {
    linear(`${block}.${attention}.q_proj`, width, width);
    linear(`${block}.${attention}.kv_proj`, 2 * width, width);
    linear(`${block}.${attention}.proj`, width, width);
  }
  linear(`${block}.mlp.fc1`, mlpWidth, width);
  linear(`${block}.mlp.fc2`, width, mlpWidth);
}

function addActionExpert({ actionExpert: expert, language }: Architecture, add: Add, linear: AddLinear): void {
  if (!expert) return;
  const root = 'action_expert';
  const { width } = expert;
  add(`${root}.action_pos_embed`, 1, expert.maxHorizon, width);
  linear(`${root}.action_embed`, width, expert.actionSize);
  linear(`${root}.time_embed.1`, width, expert.timeWidth);
  linear(`${root}.time_embed.3`, width, width);
  add(`${root}.context_proj.weight`, width, language.width);
  linear(`${root}.state_encoder`, width, width);
  for (let b = 0; b < expert.blocks; b++) {
    addExpertBlock(`${root}.blocks.${b}`, width, expert.mlpWidth, linear);
    linear(`${root}.blocks.${b}.adaLN_modulation.1`, 9 * width, width);
  }
  linear(`${root}.final_layer.linear`, expert.actionSize, width);
  linear(`${root}.final_layer.adaLN.1`, 2 * width, width);
}

function addTrajectoryExpert({ trajectoryExpert: expert, language }: Architecture, add: Add, linear: AddLinear): void {
  if (!expert) return;
  const root = 'trajectory_expert';
  const { width } = expert;
  linear(`${root}.coordinate_encoder.0`, width, 3);
  linear(`${root}.coordinate_encoder.2`, width, width);
  add(`${root}.role_embed`, 2, width);
  linear(`${root}.time_embed.1`, width, expert.timeWidth);
  linear(`${root}.time_embed.3`, width, width);
  add(`${root}.context_proj.weight`, width, language.width);
  for (let b = 0; b < expert.blocks; b++) addExpertBlock(`${root}.blocks.${b}`, width, expert.mlpWidth, linear);
  linear(`${root}.coordinate_decoder.0`, width, width);
  linear(`${root}.coordinate_decoder.2`, 3, width);
}

function addGrounding({ grounding, language, vision }: Architecture, add: Add, linear: AddLinear): void {
  if (!grounding) return;
  const tapped = vision.taps.length * vision.width;
  add('x_norm.weight', language.width);
  linear('patch_q', grounding.width, language.width);
  linear('patch_k', grounding.width, language.width);
  linear('subpatch_q', grounding.width, language.width);
  linear('subpatch_k', grounding.width, tapped);
  linear('subpatch_loc_k', LOCATION_CELLS, language.width);
  add('add_no_point_class_embed.vector', grounding.width);
  linear('build_vit_embedding', language.width, tapped);
}

/** Types of weights that can be computed with. */
const FLOATS = new Set(['f8', 'f4', 'f2', 'bf16']);

/** @throws InputError `checkpoint.tensor` naming a tensor that is missing, too many, misshapen or of a wrong type. */
export function checkInventory(
  where: string,
  expected: ReadonlyMap<string, readonly number[]>,
  stored: ReadonlyMap<string, StoredTensor>,
): void {
  const fail = (why: string): never => {
    throw new InputError({
      code: 'checkpoint.tensor',
      message: `${where}: ${why}`,
      remedy: 'the configuration and the weights must be of one checkpoint, complete; download it again',
    });
  };
  for (const [name, shape] of expected) {
    const tensor = stored.get(name);
    if (!tensor) return fail(`the tensor ${name} (${shape.join(', ')}) is missing`);
    if (tensor.shape.join() !== shape.join())
      return fail(
        `the tensor ${name} is (${tensor.shape.join(', ')}), but the configuration makes it (${shape.join(', ')})`,
      );
    if (tensor.unusable !== undefined) return fail(`the tensor ${name} cannot be used: ${tensor.unusable}`);
    if (!FLOATS.has(tensor.dtype))
      return fail(`the tensor ${name} is of type ${tensor.dtype}, which is no floating-point type`);
  }
  // Beside the weights may lie tensors that are none: counters, tables of integers, quantised copies.
  for (const [name, { dtype }] of stored)
    if (!expected.has(name) && FLOATS.has(dtype))
      return fail(`it holds the tensor ${name}, which the configuration has no place for`);
}
