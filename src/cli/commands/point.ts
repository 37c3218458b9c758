import { Command } from 'commander';
import { writeAtomically } from '../../files/atomic-file.js';
import { Model } from '../../inference/model.js';
import { PointingModel } from '../../inference/pointing.js';
import { decodeColorFile } from '../../sensing/color-image.js';
import { pointsPicturePng } from '../../visualization/points-picture.js';
import { countingNumber, times } from '../arguments.js';
import { readBytes } from '../input-file.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, writeTrace, type ModelCommandOptions } from '../model-options.js';
import { printJson, say, toJson } from '../terminal.js';

interface PointCommandOptions extends ModelCommandOptions {
  readonly bundle: string;
  readonly prompt: string;
  readonly maxNewTokens: number;
  readonly times?: readonly number[];
  readonly out?: string;
  readonly image?: string;
  readonly trace?: string;
}

/** A few points and the words around them; the published model names hundreds only in crowds. */
const DEFAULT_TOKENS = 256;

export function pointCommand(): Command {
  return withModelOptions(
    new Command('point')
      .description('ask a pointing bundle where something is in pictures, or in the frames of a video')
      .argument('<image...>', 'pictures, in the order that "Image 1", "Image 2" speak of')
      .requiredOption('--bundle <dir>', 'bundle built with --task pointing')
      .requiredOption('--prompt <text>', 'such as "Point to the mug" or "Track the mug"')
      .option('--times <seconds>', 'the pictures are frames of one video at these times, such as 0,0.5,1.5', times)
      .option('--max-new-tokens <n>', 'longest answer', countingNumber, DEFAULT_TOKENS)
      .option('--out <file>', 'result as a file instead of on stdout')
      .option('--image <file>', 'the pictures with their points as a PNG')
      .option('--trace <dir>', 'write intermediate tensors as .npy'),
  )
    .addHelpText(
      'after',
      '\nResult: {"points": [{"image", "time_s"?, "id", "pixel": [x, y]}], "raw_text", "input_ids", "tokens", "selections"?}. "image" counts from 1, and "time_s" is there with --times; "image" is null where the answer names a time at which no frame was shown. "selections" lists [image token, patch, cell] of a model that points with grounding tokens. An answer without points is no error: the object may not be there.',
    )
    .action(run);
}

async function run(files: readonly string[], options: PointCommandOptions): Promise<void> {
  const images = await Promise.all(files.map(async (file) => decodeColorFile(await readBytes(file), file)));
  const model = await Model.open(options.bundle, 'pointing', modelOptions(options, options.trace !== undefined));
  try {
    const pointing = new PointingModel(model);
    const { prompt, maxNewTokens } = options;
    const { points, text, tokens, selections } = await interruptible((signal) =>
      pointing.point({ images, prompt, maxNewTokens, times: options.times }, signal),
    );
    const result = {
      points: points.map(({ image, timeS, id, pixel }) => ({
        image,
        ...(timeS !== undefined && { time_s: timeS }),
        id,
        pixel,
      })),
      raw_text: text,
      input_ids: tokens.inputIds,
      tokens: tokens.answer,
      ...(selections && { selections: selections.map(({ imageToken, slot, cell }) => [imageToken, slot, cell]) }),
    };
    if (options.out === undefined) printJson(result);
    else await writeAtomically(options.out, `${toJson(result)}\n`);
    if (options.image !== undefined) {
      const pictures = images.map((image, i) => ({ image, points: points.filter((point) => point.image === i + 1) }));
      await writeAtomically(options.image, await pointsPicturePng(pictures));
    }
    if (options.trace !== undefined) await writeTrace(options.trace, pointing.network.lastRun!);
    say(`${result.points.length} points: ${text}`);
  } finally {
    await model.close();
  }
}
