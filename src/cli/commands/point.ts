import { Command } from 'commander';
import { parseTextPoints } from '../../grounding/text-points.js';
import { writeAtomically } from '../../files/atomic-file.js';
import { Model } from '../../inference/model.js';
import { AnswerModel } from '../../inference/networks.js';
import { decodeColorFile } from '../../sensing/color-image.js';
import { countingNumber } from '../arguments.js';
import { readBytes } from '../input-file.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, writeTrace, type ModelCommandOptions } from '../model-options.js';
import { printJson, say, toJson } from '../terminal.js';

interface PointCommandOptions extends ModelCommandOptions {
  readonly bundle: string;
  readonly prompt: string;
  readonly maxNewTokens: number;
  readonly out?: string;
  readonly trace?: string;
}

/** A few points and the words around them; the published model names hundreds only in crowds. */
const DEFAULT_TOKENS = 256;

export function pointCommand(): Command {
  return withModelOptions(
    new Command('point')
      .description('ask a pointing bundle where something is in pictures')
      .argument('<image...>', 'pictures, in the order that "Image 1", "Image 2" speak of')
      .requiredOption('--bundle <dir>', 'bundle built with --task pointing')
      .requiredOption('--prompt <text>', 'such as "Point to the mug"')
      .option('--max-new-tokens <n>', 'longest answer', countingNumber, DEFAULT_TOKENS)
      .option('--out <file>', 'result as a file instead of on stdout')
      .option('--trace <dir>', 'write intermediate tensors as .npy'),
  )
    .addHelpText(
      'after',
      '\nResult: {"points": [{"image", "id", "pixel": [x, y]}], "raw_text", "input_ids", "tokens"}. An answer without points is no error: the object may not be there.',
    )
    .action(run);
}

async function run(files: readonly string[], options: PointCommandOptions): Promise<void> {
  const images = await Promise.all(files.map(async (file) => decodeColorFile(await readBytes(file), file)));
  const model = await Model.open(options.bundle, 'pointing', modelOptions(options, options.trace !== undefined));
  try {
    const network = new AnswerModel(model);
    const { text, tokens } = await interruptible((signal) =>
      network.answer(images, options.prompt, options.maxNewTokens, signal),
    );
    const result = {
      points: parseTextPoints(text, (frame) => images[frame - 1]).map(({ frame, id, pixel }) => ({
        image: frame,
        id,
        pixel,
      })),
      raw_text: text,
      input_ids: tokens.inputIds,
      tokens: tokens.answer,
    };
    if (options.out === undefined) printJson(result);
    else await writeAtomically(options.out, `${toJson(result)}\n`);
    if (options.trace !== undefined) await writeTrace(options.trace, network.lastRun!);
    say(`${result.points.length} points: ${text}`);
  } finally {
    await model.close();
  }
}
