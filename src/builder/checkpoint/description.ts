import type { Architecture } from '../../inference/architecture.js';
import type { FrameLayout, Layout, PolicyInput, Prompt } from '../../inference/model-input.js';

export const TASKS = ['policy', 'forecast', 'pointing'] as const;
export type Task = (typeof TASKS)[number];

/** What a checkpoint's configuration says, in either layout. */
export interface CheckpointDescription {
  readonly task: Task;
  readonly layout: 'native' | 'hugging-face';
  readonly architecture: Architecture;
  /** An antialiased resize to 224x224 comes before the usual one (MolmoBot). */
  readonly resizeBottleneck: boolean;
  readonly input: Layout;
  /** How frames of one video are laid out, where still images are the model's usual input. */
  readonly video?: FrameLayout;
  readonly prompt: Prompt;
  readonly policy?: PolicyInput;
  readonly tokenizer: {
    /** Name of the tokenizer at the hub, where the checkpoint has none of its own. */
    readonly identifier: string | null;
    /** The image tokens' ids begin here; null where the tokenizer's own file has them. */
    readonly paddedTo: number | null;
  };
}
