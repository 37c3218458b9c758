import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { describeError, InputError } from '../core/errors.js';
import { installedPath } from '../core/installed-path.js';
import { architectureSchema } from './architecture.js';
import {
  frameLayoutSchema,
  groundingTokensSchema,
  layoutSchema,
  policyInputSchema,
  promptSchema,
  tokenIdsSchema,
} from './model-input.js';
import { Tokenizer } from './tokenizer.js';
import { trackTokensSchema } from './track-tokens.js';

export const BUNDLE_FILE = 'bundle.yaml';
export const BUNDLE_FORMAT = 1;

const fileName = z.string().regex(/^[^/\\]+$/, 'a file beside bundle.yaml, without a folder');
const fileSchema = z.strictObject({
  file: fileName,
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
});
export type BundleFile = z.infer<typeof fileSchema>;

export const bundleSchema = z.strictObject({
  format: z.literal(BUNDLE_FORMAT),
  task: z.enum(['policy', 'forecast', 'pointing']),
  /** Type of the weights. */
  type: z.enum(['fp32', 'fp16', 'bf16', 'int4']),
  architecture: architectureSchema,
  resizeBottleneck: z.boolean(),
  input: layoutSchema,
  /** How the frames of one video are laid out, of a model that takes still images too. */
  video: frameLayoutSchema.optional(),
  prompt: promptSchema,
  tokens: tokenIdsSchema,
  groundingTokens: groundingTokensSchema.optional(),
  /** How answers are guessed before they are said; the graph of a bundle with them has the input `draft` and the output `passes`. */
  trackTokens: trackTokensSchema.optional(),
  policy: policyInputSchema.optional(),
  /** Between two observations, two steps of a chunk, and two steps of a forecast; seconds. */
  stepS: z.number().positive(),
  graph: fileSchema,
  /** The same model with its intermediate values as further outputs. */
  traceGraph: fileSchema,
  tokenizer: fileSchema,
  weights: z.array(fileSchema),
  provenance: z.strictObject({
    checkpoint: z.string(),
    layout: z.enum(['native', 'hugging-face']),
    files: z.array(fileSchema),
    builtBy: z.string(),
  }),
});
export type BundleDescription = z.infer<typeof bundleSchema>;

/** A bundle whose description and small files have been read and checked; the graph is not loaded. */
export interface Bundle {
  readonly folder: string;
  readonly description: BundleDescription;
  readonly tokenizer: Tokenizer;
}

/**
 * Reads bundle.yaml and the tokenizer, and checks that all files are there in their sizes. Content is checked by `verifyBundle`.
 * @throws InputError `bundle.none`, `bundle.format`, `bundle.file`.
 */
export async function openBundle(folder: string): Promise<Bundle> {
  const file = path.join(folder, BUNDLE_FILE);
  if (!existsSync(file)) {
    throw new InputError({
      code: 'bundle.none',
      message: `${folder} is no model bundle: it has no ${BUNDLE_FILE}`,
      remedy: 'make one with molmo-motion build --checkpoint DIR --task TASK --out DIR',
    });
  }
  const description = parseDescription(file, await readFile(file, 'utf8'));
  for (const part of bundleFiles(description)) {
    const size = await stat(path.join(folder, part.file)).then(
      (found) => found.size,
      () => null,
    );
    if (size !== part.bytes)
      throw damaged(
        folder,
        part.file,
        size === null ? 'it is missing' : `it has ${size} bytes instead of ${part.bytes}`,
      );
  }
  const json = await readFile(path.join(folder, description.tokenizer.file), 'utf8');
  return { folder, description, tokenizer: Tokenizer.parse(path.join(folder, description.tokenizer.file), json) };
}

/** Everything that a bundle consists of, besides its description. */
export function bundleFiles({ graph, traceGraph, tokenizer, weights }: BundleDescription): readonly BundleFile[] {
  return [graph, traceGraph, tokenizer, ...weights];
}

/** Compares the content of every file with its hash. @throws InputError `bundle.file` naming the first that differs. */
export async function verifyBundle({ folder, description }: Pick<Bundle, 'folder' | 'description'>): Promise<void> {
  for (const { file, sha256 } of bundleFiles(description)) {
    const found = await sha256Of(path.join(folder, file));
    if (found !== sha256) throw damaged(folder, file, `its sha256 is ${found} instead of ${sha256}`);
  }
}

/** @param onBytes told of every part that has been read. */
export async function sha256Of(file: string, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: READ_BYTES })) {
    hash.update(part as Buffer);
    onBytes?.((part as Buffer).length);
  }
  return hash.digest('hex');
}

const READ_BYTES = 8 << 20;

function parseDescription(file: string, text: string): BundleDescription {
  let data: unknown;
  try {
    data = parse(text);
  } catch (cause) {
    throw badDescription(file, describeError(cause).split('\n')[0]!);
  }
  const parsed = bundleSchema.safeParse(data);
  if (!parsed.success) throw badDescription(file, z.prettifyError(parsed.error).replaceAll('\n', ' '));
  return parsed.data;
}

function badDescription(file: string, why: string): InputError {
  return new InputError({
    code: 'bundle.format',
    message: `${file} is not a valid bundle description: ${why}`,
    remedy: `build the bundle again; ${installedPath('models/README.md')} describes every field`,
  });
}

function damaged(folder: string, file: string, why: string): InputError {
  return new InputError({
    code: 'bundle.file',
    message: `${path.join(folder, file)} is not the file that the bundle was built with: ${why}`,
    remedy: 'copy or build the bundle again; a changed model must not move a robot',
  });
}
