import { Command } from 'commander';
import path from 'node:path';
import { z } from 'zod';
import { describeError, InputError } from '../../core/errors.js';
import { normalNumbers, seededRandom } from '../../core/random.js';
import { referenceCommand } from '../../execution/reference-command.js';
import { writeAtomically } from '../../files/atomic-file.js';
import type { PolicyInput } from '../../inference/model-input.js';
import { Model } from '../../inference/model.js';
import { PolicyModel } from '../../inference/networks.js';
import { ActionExpertPolicy, type PolicyResult } from '../../planning/action-expert-policy.js';
import { decodeColorFile } from '../../sensing/color-image.js';
import { decodeNpy, type Tensor } from '../../tensors/npy.js';
import { readBytes, readText } from '../input-file.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, writeTrace, type ModelCommandOptions } from '../model-options.js';
import { say, toJson } from '../terminal.js';

interface PolicyCommandOptions extends ModelCommandOptions {
  readonly bundle: string;
  readonly observation: string;
  readonly out: string;
  readonly trace?: string;
}

const observationSchema = z.strictObject({
  images: z.array(z.string()).min(1),
  instruction: z.string(),
  state: z.array(z.number()),
  noise: z.union([z.string(), z.number().int().nonnegative()]),
});

/** Joints and gripper of the arms that the published client drives; other vectors have no command that is known here. */
const FRANKA_ACTION = 8;

export function policyCommand(): Command {
  return withModelOptions(
    new Command('policy')
      .description('ask a policy bundle once: pictures, instruction and joint state in, a chunk of actions out')
      .requiredOption('--bundle <dir>', 'bundle built with --task policy')
      .requiredOption(
        '--observation <file>',
        '{"images": [paths, in the order of the cameras], "instruction": TEXT, "state": [joints rad, gripper], "noise": "file.npy" | seed}',
      )
      .requiredOption(
        '--out <file>',
        'result: {"input_ids", "actions": [steps][values] normalised, "unnormalized": [steps][values], "command": {"arm", "gripper", "ticks"}, "timings_ms"}',
      )
      .option('--trace <dir>', 'write intermediate tensors as .npy'),
  )
    .addHelpText(
      'after',
      '\nPaths in the observation are relative to it. `command` is the first action under the published clamp (0.2 rad from the given state, all joints by one\nfactor) and gripper threshold, `ticks` the same for every executed step; it is null for action vectors of other arms than a seven-joint one with a gripper.',
    )
    .action(run);
}

async function run(options: PolicyCommandOptions): Promise<void> {
  const { images: files, instruction, state, noise } = await readObservation(options.observation);
  const beside = (file: string): string => path.resolve(path.dirname(options.observation), file);
  const images = await Promise.all(files.map(async (file) => decodeColorFile(await readBytes(beside(file)), file)));
  const model = await Model.open(options.bundle, 'policy', modelOptions(options, options.trace !== undefined));
  try {
    const network = new PolicyModel(model);
    const policy = new ActionExpertPolicy(network);
    const start =
      typeof noise === 'number'
        ? normalNumbers(policy.noiseLength, seededRandom(noise))
        : noiseOf(noise, decodeNpy(await readBytes(beside(noise)), noise));
    const result = await interruptible((signal) =>
      policy.plan({ stamp: 0n, images, instruction, state }, start, signal),
    );
    const input = model.bundle.description.policy!;
    await writeAtomically(options.out, `${toJson(policyJson(result, state, input))}\n`);
    if (options.trace !== undefined) await writeTrace(options.trace, network.lastRun!);
    say(`${result.chunk.steps.length} actions in ${result.timings['total']!.toFixed(1)} ms, written to ${options.out}`);
  } finally {
    await model.close();
  }
}

async function readObservation(file: string): Promise<z.infer<typeof observationSchema>> {
  let data: unknown;
  try {
    data = JSON.parse(await readText(file));
  } catch (cause) {
    throw cause instanceof InputError ? cause : badObservation(file, describeError(cause));
  }
  const parsed = observationSchema.safeParse(data);
  if (!parsed.success) throw badObservation(file, z.prettifyError(parsed.error).replaceAll('\n', ' '));
  return parsed.data;
}

/** @throws InputError `policy.noise` for numbers that are no floats. */
function noiseOf(file: string, { data, dtype }: Tensor): Float32Array {
  if (data instanceof Float32Array || data instanceof Float64Array) return Float32Array.from(data);
  throw new InputError({
    code: 'policy.noise',
    message: `the noise in ${file} is of type ${dtype}`,
    remedy: 'give standard normal numbers as float32 or float64',
  });
}

function badObservation(file: string, why: string): InputError {
  return new InputError({
    code: 'observation.format',
    message: `${file} is not a usable observation: ${why}`,
    remedy: 'give {"images": [...], "instruction": "...", "state": [...], "noise": "file.npy" or a seed}',
  });
}

function policyJson(
  { chunk, normalized, inputIds, timings }: PolicyResult,
  state: readonly number[],
  { executedSteps, actions }: PolicyInput,
): unknown {
  const width = chunk.steps[0]!.length;
  const commands = chunk.steps.slice(0, executedSteps).map((action) => referenceCommand(action, state, { actions }));
  return {
    input_ids: inputIds,
    actions: chunk.steps.map((_, k) => [...normalized.subarray(k * width, (k + 1) * width)]),
    unnormalized: chunk.steps,
    command: width === FRANKA_ACTION && state.length === FRANKA_ACTION ? { ...commands[0], ticks: commands } : null,
    timings_ms: timings,
  };
}
