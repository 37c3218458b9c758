import type { Bus } from '../bus/bus.js';
import { describeError, PlannerError } from '../core/errors.js';
import type { NodeTopics } from './topics.js';

interface Answer {
  readonly success: boolean;
  readonly message: string;
}

/** What an operator can ask of the execution. Each says what came of it, and throws where nothing did. */
export interface ExecutionServices {
  start(): string;
  stop(): string;
  testGripper(): Promise<string>;
  setDryRun(isDry: boolean): string;
}

/** Serves them on a bus. @returns what ends that. */
export function serveExecution(bus: Bus, topics: NodeTopics, services: ExecutionServices): readonly (() => void)[] {
  const answer = async (act: () => string | Promise<string>): Promise<Answer> => {
    try {
      return { success: true, message: await act() };
    } catch (error) {
      const remedy = error instanceof PlannerError ? `. ${error.remedy}` : '';
      return { success: false, message: `${describeError(error)}${remedy}` };
    }
  };
  return [
    bus.serve(topics.start, 'std_srvs/srv/Trigger', () => answer(() => services.start())),
    bus.serve(topics.stop, 'std_srvs/srv/Trigger', () => answer(() => services.stop())),
    bus.serve(topics.gripper_test, 'std_srvs/srv/Trigger', () => answer(() => services.testGripper())),
    bus.serve(topics.dry_run, 'std_srvs/srv/SetBool', ({ data }) => answer(() => services.setDryRun(data))),
  ];
}
