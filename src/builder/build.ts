import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { ConfigurationError, InputError } from '../core/errors.js';
import { BUNDLE_FILE, BUNDLE_FORMAT, sha256Of, type BundleDescription, type BundleFile } from '../inference/bundle.js';
import { completeTokenizer, findGroundingTokens, findTokenIds, Tokenizer } from '../inference/tokenizer.js';
import type { GroundingTokens, PolicyInput, TokenIds } from '../inference/model-input.js';
import { findTrackTokens, type TrackTokens } from '../inference/track-tokens.js';
import { outputError, writeAtomically } from '../files/atomic-file.js';
import { MODEL_STEP_S } from '../core/time.js';
import { readJsonFile } from '../files/json-file.js';
import { openCheckpoint, type Checkpoint } from './checkpoint/checkpoint.js';
import type { Task } from './checkpoint/description.js';
import { buildGraph, type GraphPlan } from './graphs.js';
import { BundleWeights } from './weights/bundle-weights.js';
import type { BuildType } from './weights/weights.js';

export interface BuildOptions {
  readonly checkpoint: string;
  readonly task: Task;
  readonly out: string;
  readonly type: BuildType;
  /** Folder of the tokenizer, where the checkpoint has none of its own. */
  readonly tokenizer?: string | undefined;
  /** Names and order of the policy's cameras, where they are not the published ones. */
  readonly cameras?: readonly string[] | undefined;
  /** What the policy's actions say of the arm, where they are not positions. */
  readonly actions?: PolicyInput['actions'] | undefined;
  /** Seconds between steps, where they are not those of the published models. */
  readonly stepS?: number | undefined;
  readonly builtBy: string;
  /** Bytes read so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Ids that layouts and decoding put in. */
interface SpecialTokens {
  readonly tokens: TokenIds;
  readonly groundingTokens?: GroundingTokens;
  readonly trackTokens?: TrackTokens;
}

/**
 * Makes a bundle out of a checkpoint. The folder appears under its name only when it is complete; an earlier bundle there is replaced.
 * @throws InputError for a checkpoint or tokenizer that cannot be used, ConfigurationError `build.out`, OutputError.
 */
export async function buildBundle(options: BuildOptions): Promise<BundleDescription> {
  await checkTarget(options.out);
  const checkpoint = await openCheckpoint(options.checkpoint, options.task);
  const { tokenizerJson, ids } = await readTokenizer(checkpoint, options);
  const partial = `${path.resolve(options.out)}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
  } catch (cause) {
    throw outputError(options.out, cause);
  }
  try {
    const description = await writeBundle(partial, checkpoint, tokenizerJson, ids, options);
    await rm(options.out, { recursive: true, force: true });
    await rename(partial, options.out);
    return description;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function writeBundle(
  folder: string,
  checkpoint: Checkpoint,
  tokenizerJson: string,
  ids: SpecialTokens,
  options: BuildOptions,
): Promise<BundleDescription> {
  const { architecture, resizeBottleneck, input, video, prompt, policy, layout } = checkpoint.description;
  const { tokens, groundingTokens, trackTokens } = ids;
  const plan: GraphPlan = {
    architecture,
    resizeBottleneck,
    layout: input,
    video,
    tokens,
    groundingTokens,
    trackTokens,
    type: options.type,
  };
  const weights = new BundleWeights();
  await writeAtomically(path.join(folder, GRAPH), buildGraph(plan, checkpoint.tensors, weights, false));
  await writeAtomically(path.join(folder, TRACE_GRAPH), buildGraph(plan, checkpoint.tensors, weights, true));
  await writeAtomically(path.join(folder, TOKENIZER), tokenizerJson);
  // Weights are read once to be converted or examined, and once to be hashed.
  let done = 0;
  let total = weights.readBytes;
  const onBytes = (bytes: number): void => {
    done += bytes;
    options.onProgress?.(done, total);
  };
  await weights.write(folder, { onBytes, signal: options.signal });
  const sizes = await Promise.all(weights.files.map((file) => stat(path.join(folder, file))));
  total += sizes.reduce((sum, { size }) => sum + size, 0);
  const describe = async (file: string, tell?: (bytes: number) => void): Promise<BundleFile> => ({
    file,
    bytes: (await stat(path.join(folder, file))).size,
    sha256: await sha256Of(path.join(folder, file), tell),
  });
  const weightFiles: BundleFile[] = [];
  for (const file of weights.files) weightFiles.push(await describe(file, onBytes));
  const description: BundleDescription = {
    format: BUNDLE_FORMAT,
    task: options.task,
    type: options.type,
    architecture,
    resizeBottleneck,
    input,
    ...(video && { video }),
    prompt,
    tokens,
    ...(groundingTokens && { groundingTokens }),
    ...(trackTokens && { trackTokens }),
    ...(policy && {
      policy: {
        ...policy,
        ...(options.cameras && { cameras: [...options.cameras] }),
        ...(options.actions && { actions: options.actions }),
      },
    }),
    stepS: options.stepS ?? MODEL_STEP_S,
    graph: await describe(GRAPH),
    traceGraph: await describe(TRACE_GRAPH),
    tokenizer: await describe(TOKENIZER),
    weights: weightFiles,
    provenance: {
      checkpoint: path.basename(path.resolve(checkpoint.folder)),
      layout,
      files: await describeSources(checkpoint),
      builtBy: options.builtBy,
    },
  };
  await writeAtomically(path.join(folder, BUNDLE_FILE), stringify(description));
  return description;
}

const GRAPH = 'graph.onnx';
const TRACE_GRAPH = 'trace.onnx';
const TOKENIZER = 'tokenizer.json';

/** The configuration that a bundle comes from; files of weights are hashed as parts of the bundle, or, converted, are known by their size. */
async function describeSources({ folder, configFiles }: Checkpoint): Promise<BundleFile[]> {
  return Promise.all(
    configFiles.map(async (file) => ({
      file,
      bytes: (await stat(path.join(folder, file))).size,
      sha256: await sha256Of(path.join(folder, file)),
    })),
  );
}

/** Something else that stands under the name is never deleted. */
async function checkTarget(out: string): Promise<void> {
  if (!existsSync(out)) return;
  const isFolder = (await stat(out)).isDirectory();
  if (isFolder && (existsSync(path.join(out, BUNDLE_FILE)) || (await readdir(out)).length === 0)) return;
  throw new ConfigurationError({
    code: 'build.out',
    message: `${out} stands already, and is ${isFolder ? 'a folder of something else than a bundle' : 'no folder'}`,
    remedy: 'choose another --out, or move it away',
  });
}

async function readTokenizer(
  { folder, description }: Checkpoint,
  { task, tokenizer: given }: BuildOptions,
): Promise<{ readonly tokenizerJson: string; readonly ids: SpecialTokens }> {
  const { identifier, paddedTo } = description.tokenizer;
  const source = given ?? folder;
  const file = path.join(source, TOKENIZER);
  if (!existsSync(file)) {
    throw new ConfigurationError({
      code: 'build.tokenizer',
      message: `${source} holds no ${TOKENIZER}${identifier === null ? '' : `; the checkpoint names the tokenizer ${identifier} at the hub`}`,
      remedy: 'download that tokenizer, and give its folder as --tokenizer DIR',
    });
  }
  const json = await readFile(file, 'utf8');
  // A tokenizer of the Hugging Face layout has the image tokens already.
  const tokenizerJson = paddedTo === null ? json : completeTokenizer(file, json, paddedTo);
  const eos = await endToken(source);
  const tokenizer = Tokenizer.parse(file, tokenizerJson);
  const tokens = findTokenIds(file, tokenizer, eos, eos);
  const saysTracks = task === 'forecast' && !description.architecture.trajectoryExpert;
  const trackTokens = saysTracks ? findTrackTokens(tokenizer, tokens.eos) : null;
  const ids: SpecialTokens = {
    tokens,
    ...(trackTokens && { trackTokens }),
    ...(description.architecture.grounding && { groundingTokens: findGroundingTokens(file, tokenizer) }),
  };
  return { tokenizerJson, ids };
}

/** The published code sets BOS to EOS where the tokenizer has none; Qwen's has none. */
async function endToken(folder: string): Promise<string> {
  const file = path.join(folder, 'tokenizer_config.json');
  const config = existsSync(file) ? await readJsonFile(file, 'tokenizer.config', 'copy it from the model again') : null;
  const { eos_token: eos } = (config ?? {}) as { readonly eos_token?: unknown };
  const text = typeof eos === 'string' ? eos : (eos as { readonly content?: unknown } | null | undefined)?.content;
  if (typeof text === 'string') return text;
  throw new InputError({
    code: 'tokenizer.eos',
    message: `${file} does not name the token that ends an answer (eos_token)`,
    remedy: 'copy tokenizer_config.json from the model, beside tokenizer.json',
  });
}
