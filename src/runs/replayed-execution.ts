import type { Assembly } from '../assembly/assembly.js';
import { describeError } from '../core/errors.js';
import { toSeconds } from '../core/time.js';
import { commandAt, summarizeErrors } from '../evaluation/chunk-comparison.js';
import type { Recording } from '../recordings/recording.js';
import type { ExecutionReport } from './replay-report.js';

/**
 * Execution in a replay: nobody is in danger, so the arm is started by itself, as soon as a plan could begin, and stays stopped once it was stopped.
 * @returns what came of it; null where nobody plans.
 */
export function replayedExecution(
  assembly: Assembly,
  { commands, timeRange }: Recording,
): () => ExecutionReport | null {
  let refused: string | null = null;
  const errors: number[] = [];
  assembly.commands.subscribe(({ stamp, positions }) => {
    const command = commands && commandAt(commands, stamp);
    if (command) errors.push(Math.max(...positions.map((q, j) => Math.abs(q - command[j]!))));
  });
  assembly.observed.subscribe(() => {
    if (assembly.status?.phase !== 'idle') return;
    try {
      assembly.start();
    } catch (error) {
      refused ??= describeError(error);
    }
  });
  return () => {
    if (!assembly.execution) return null;
    const { phase, commands: count, holds, stops, limited, queue, gripper_moves: moves } = assembly.execution;
    return {
      arm: assembly.arm.name,
      mode: assembly.config.execution.mode,
      phase,
      commands: count,
      holds,
      overruns: queue.overruns,
      chunks: queue.chunks,
      late_chunks: queue.late,
      slack_s: queue.slack_s,
      limited,
      stops: stops.map(({ at, code, message, remedy }) => ({
        at_s: toSeconds(at - timeRange![0]),
        code,
        message,
        remedy,
      })),
      start_refused: phase === 'idle' ? refused : null,
      gripper_moves: moves,
      command_error_rad: errors.length === 0 ? null : summarizeErrors(errors),
    };
  };
}
