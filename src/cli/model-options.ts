import { Option, type Command } from 'commander';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { ModelOptions, ModelRun } from '../inference/model.js';
import { PROVIDERS, type Provider, type TensorValue } from '../inference/worker-messages.js';
import { outputError, writeAtomically } from '../files/atomic-file.js';
import { encodeNpy } from '../tensors/npy.js';
import { countingNumber } from './arguments.js';
import { toJson } from './terminal.js';

export interface ModelCommandOptions {
  readonly provider: Provider;
  readonly threads?: number;
  readonly timeout?: number;
}

/** What every command that runs a bundle takes. */
export function withModelOptions(command: Command): Command {
  return command
    .addOption(new Option('--provider <name>', 'where the model runs').choices(PROVIDERS).default('cpu'))
    .option('--threads <n>', 'threads of one operator (default: one for each core)', countingNumber)
    .option('--timeout <ms>', 'longest time of one run, milliseconds', countingNumber);
}

export function modelOptions({ provider, threads, timeout }: ModelCommandOptions, trace = false): ModelOptions {
  return {
    provider,
    ...(threads !== undefined && { threads }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
    trace,
  };
}

const NPY_TYPES: Readonly<Record<TensorValue['type'], string>> = { float32: 'f4', uint8: 'u1', int64: 'i8' };

/** Every value that a tracing model returned, and what it was given in tokens, as .npy files. @throws OutputError. */
export async function writeTrace(folder: string, { outputs, sequence }: ModelRun): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw outputError(folder, cause);
  }
  const ints = (values: readonly number[], dims: readonly number[]): TensorValue => ({
    type: 'int64',
    dims,
    data: BigInt64Array.from(values, BigInt),
  });
  const { inputIds, tokenPooling, window } = sequence;
  const all = {
    ...outputs,
    input_ids: ints(inputIds, [inputIds.length]),
    token_pooling: ints(tokenPooling, [tokenPooling.length / window, window]),
  };
  const files: Record<string, string> = {};
  for (const [i, [name, { type, dims, data }]] of Object.entries(all).entries()) {
    const file = `${traceName(name, i)}.npy`;
    files[file] = name;
    await writeAtomically(path.join(folder, file), encodeNpy({ dtype: NPY_TYPES[type], shape: dims, data }));
  }
  await writeAtomically(path.join(folder, 'trace.json'), `${toJson(files)}\n`);
}

/** The graph names its values, and a graph may come from anywhere: a name that is no plain word never becomes part of a path. */
function traceName(name: string, index: number): string {
  return /^\w{1,64}$/.test(name) ? name : `value_${index}`;
}
