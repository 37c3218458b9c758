import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildBundle } from '../builder/build.js';
import type { Task } from '../builder/checkpoint/description.js';
import type { BuildType } from '../builder/weights/weights.js';
import { InputError } from '../core/errors.js';
import { installedPath } from '../core/installed-path.js';
import type { RgbImage } from '../core/images.js';
import { Model, type ModelOptions } from '../inference/model.js';
import { decodeColorFile } from '../sensing/color-image.js';

export interface ParityOptions {
  readonly type: BuildType;
  readonly model: ModelOptions;
  /** Folder of the tokenizer for checkpoints that only name theirs; found beside the cases when left out. */
  readonly tokenizer?: string | undefined;
}

/** Tolerance of floats by type of the weights, as `CaseReport` takes it. */
export const COARSE_TOLERANCE: Readonly<Record<BuildType, number | null>> = {
  fp32: 0,
  fp16: 2e-2,
  bf16: null,
  int4: null,
};

/** Builds a checkpoint into a folder that is gone afterwards, and lets `ask` compare with the model. */
export async function withModel<T>(
  checkpoint: string,
  task: Task,
  options: ParityOptions,
  ask: (model: Model) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'molmo-motion-parity-'));
  try {
    const out = path.join(folder, 'bundle');
    await buildBundle({
      checkpoint,
      task,
      out,
      type: options.type,
      tokenizer: tokenizerOf(checkpoint, options),
      builtBy: 'parity',
    });
    const model = await Model.open(out, task, { ...options.model, trace: true });
    try {
      return await ask(model);
    } finally {
      await model.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Golden sets keep the tokenizer that their checkpoints name in a folder of that name, above the cases. */
const GOLDEN_TOKENIZER = 'tokenizer-small';

function tokenizerOf(checkpoint: string, options: ParityOptions): string | undefined {
  return existsSync(path.join(checkpoint, 'tokenizer.json')) ? options.tokenizer : tokenizerAbove(checkpoint, options);
}

/** The given tokenizer, or the one of the golden set. */
export function tokenizerAbove(from: string, { tokenizer }: ParityOptions): string | undefined {
  if (tokenizer !== undefined) return tokenizer;
  for (let folder = path.resolve(from); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const candidate = path.join(folder, GOLDEN_TOKENIZER);
    if (existsSync(candidate)) return candidate;
  }
  return undefined;
}

export async function readImages(folder: string, files: readonly string[]): Promise<RgbImage[]> {
  return Promise.all(files.map(async (file) => decodeColorFile(await readFile(path.join(folder, file)), file)));
}

/** JSON of the reference implementations. @throws InputError `parity.case`. */
export async function readCase<T>(file: string, parse: (data: unknown) => T): Promise<T> {
  try {
    return parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new InputError({
      code: 'parity.case',
      message: `${file} is not a golden case that is known here: ${cause instanceof Error ? cause.message.split('\n').join(' ') : String(cause)}`,
      remedy: `the folder layouts are described in ${installedPath('models/README.md')}`,
      cause,
    });
  }
}
