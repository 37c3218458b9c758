import { Command, Option } from 'commander';
import { buildBundle } from '../../builder/build.js';
import { TASKS, type Task } from '../../builder/checkpoint/description.js';
import { BUILD_TYPES, type BuildType } from '../../builder/weights/weights.js';
import type { PolicyInput } from '../../inference/model-input.js';
import { positiveNumber } from '../arguments.js';
import { interruptible } from '../interruption.js';
import { packageFacts } from '../package-facts.js';
import { byteBar, say } from '../terminal.js';

interface BuildCommandOptions {
  readonly checkpoint: string;
  readonly task: Task;
  readonly out: string;
  readonly tokenizer?: string;
  readonly dtype: BuildType;
  readonly cameras?: string;
  readonly actions?: PolicyInput['actions'];
  readonly step?: number;
}

export function buildCommand(): Command {
  return new Command('build')
    .description('make a model bundle (ONNX graphs, weights, tokenizer, description) from a checkpoint, without Python')
    .requiredOption('--checkpoint <dir>', 'config.yaml and model.pt, or config.json and safetensors')
    .addOption(new Option('--task <task>', 'what the bundle is for').choices(TASKS).makeOptionMandatory())
    .requiredOption('--out <dir>', 'folder of the bundle')
    .option('--tokenizer <dir>', 'folder with tokenizer.json; needed for native checkpoints, which only name theirs')
    .addOption(
      new Option('--dtype <type>', 'of the weights; int4 quantises the language model only')
        .choices(BUILD_TYPES)
        .default('fp32'),
    )
    .option('--cameras <names>', 'cameras of a policy in the order of its images, separated by commas')
    .addOption(
      new Option('--actions <kind>', "what a policy's actions say of the arm (default: joint_pos)").choices([
        'joint_pos',
        'joint_pos_rel',
      ]),
    )
    .option(
      '--step <seconds>',
      'between the steps of a forecast or a chunk, which checkpoints do not say (default: 1/15)',
      positiveNumber,
    )
    .addHelpText(
      'after',
      '\nWeights that have the right type already are used in place: the bundle holds a hard link to the checkpoint file (a copy on another file system).\nEvery weight is read once and must be finite.',
    )
    .action(async (options: BuildCommandOptions) => {
      const bar = byteBar('build');
      const description = await interruptible((signal) =>
        buildBundle({
          checkpoint: options.checkpoint,
          task: options.task,
          out: options.out,
          type: options.dtype,
          tokenizer: options.tokenizer,
          cameras: options.cameras?.split(','),
          actions: options.actions,
          stepS: options.step,
          builtBy: `molmo_motion_planner ${packageFacts().version}`,
          onProgress: bar.update,
          signal,
        }),
      ).finally(bar.stop);
      const bytes = description.weights.reduce((sum, file) => sum + file.bytes, 0);
      say(
        `${description.task} bundle (${description.type}): graph ${(description.graph.bytes / 1e6).toFixed(2)} MB, weights ${(bytes / 1e6).toFixed(1)} MB in ${description.weights.map(({ file }) => file).join(', ')}; written to ${options.out}`,
      );
    });
}
