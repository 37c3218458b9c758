import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../core/errors.js';
import type { Architecture } from '../../inference/architecture.js';
import { readJsonFile } from '../../files/json-file.js';
import { readSafetensorsFolder } from '../../tensors/safetensors.js';
import type { StoredTensor } from '../../tensors/stored-tensor.js';
import { readTorchFile } from '../../tensors/torch-file.js';
import { checkInventory, expectedTensors } from '../inventory.js';
import type { CheckpointDescription, Task } from './description.js';
import { readHuggingFaceConfig } from './hugging-face-config.js';
import { readNativeConfig } from './native-config.js';

export interface Checkpoint {
  readonly folder: string;
  readonly description: CheckpointDescription;
  /** By native name, checked against the architecture; nothing is loaded. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Files that say what the checkpoint is, for the record. */
  readonly configFiles: readonly string[];
}

/**
 * Opens a checkpoint folder, native (config.yaml, model.pt) or Hugging Face (config.json, safetensors).
 * @throws InputError `checkpoint.none`, `checkpoint.config`, `checkpoint.option`, `checkpoint.tensor`, and those of the tensor files.
 */
export async function openCheckpoint(folder: string, task: Task): Promise<Checkpoint> {
  const file = (name: string): string => path.join(folder, name);
  if (existsSync(file('config.yaml'))) {
    const description = readNativeConfig(file('config.yaml'), await readFile(file('config.yaml'), 'utf8'), task);
    if (!existsSync(file('model.pt'))) {
      throw noCheckpoint(
        folder,
        existsSync(file('model_and_optim'))
          ? 'it holds a sharded training checkpoint (model_and_optim); unshard it with the published convert_to_unsharded.py'
          : 'it has config.yaml but no model.pt',
      );
    }
    const tensors = renamed(await readTorchFile(file('model.pt')), modelName(description.architecture));
    checkInventory(file('model.pt'), expectedTensors(description.architecture), tensors);
    return { folder, description, tensors, configFiles: ['config.yaml'] };
  }
  if (existsSync(file('config.json'))) {
    const files = {
      config: await readJson(file('config.json')),
      processor: await readJson(file('processor_config.json'), {}),
      imageProcessor: await readJson(file('preprocessor_config.json'), {}),
      videoProcessor: await readJson(file('video_preprocessor_config.json'), null),
    };
    const description = readHuggingFaceConfig(folder, files, task);
    const tensors = renamed(await readSafetensorsFolder(folder), portName(description.architecture));
    checkInventory(folder, expectedTensors(description.architecture), tensors);
    return { folder, description, tensors, configFiles: ['config.json'] };
  }
  throw noCheckpoint(folder, 'it has neither config.yaml (native) nor config.json (Hugging Face)');
}

/** Tensors by the names that `rename` gives them; those that get none are left out. */
function renamed(
  tensors: ReadonlyMap<string, StoredTensor>,
  rename: (name: string) => string | null,
): ReadonlyMap<string, StoredTensor> {
  const named = new Map<string, StoredTensor>();
  for (const [stored, tensor] of tensors) {
    const name = rename(stored);
    if (name !== null) named.set(name, { ...tensor, name });
  }
  return named;
}

/** MolmoPoint has vision tower and connector beside each other; here they go by the names of the other models. */
function modelName({ grounding }: Architecture): (name: string) => string {
  if (!grounding) return (name) => name;
  return (name) =>
    name.replace(/^vit\./, `${BACKBONE}.image_vit.`).replace(/^(?:connectors\.0|connector)\./, `${BACKBONE}.`);
}

const BACKBONE = 'vision_backbone';

/** Output matrices of the port. */
const HEADS: ReadonlyMap<string, string> = new Map([
  ['lm_head.weight', 'transformer.ff_out.weight'],
  ['lm_head.output_embeddings', 'transformer.ff_out.weight'],
  ['lm_head.new_output_embeddings', 'transformer.ff_out.new_weight'],
]);

/**
 * The port puts `model.` before every name, attention and MLP of a decoder block into modules of their own, and MolmoPoint's head into another.
 * Of a tied output matrix it may write copies, which it does not read again.
 */
function portName(architecture: Architecture): (name: string) => string | null {
  const native = modelName(architecture);
  return (name) => {
    const head = HEADS.get(name);
    if (head !== undefined) return architecture.language.tiedEmbedding ? null : head;
    return native(
      name
        .replace(/^model\./, '')
        .replace(/^point_predictor\./, '')
        .replace(/^(transformer\.blocks\.\d+)\.(?:self_attn|mlp)\./, '$1.'),
    );
  };
}

async function readJson(file: string, otherwise?: unknown): Promise<unknown> {
  if (otherwise !== undefined && !existsSync(file)) return otherwise;
  return readJsonFile(file, 'checkpoint.config', 'copy it from the checkpoint again');
}

function noCheckpoint(folder: string, why: string): InputError {
  return new InputError({
    code: 'checkpoint.none',
    message: `${folder} is no checkpoint: ${why}`,
    remedy:
      'name a folder with config.yaml and model.pt, or with config.json and model.safetensors (or its shards and index)',
  });
}
