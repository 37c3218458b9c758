import { Command, CommanderError } from 'commander';
import { benchCommand } from './commands/bench.js';
import { buildCommand } from './commands/build.js';
import { configCommand } from './commands/config.js';
import { completionCommand } from './commands/completion.js';
import { planCommand } from './commands/plan.js';
import { pointCommand } from './commands/point.js';
import { policyCommand } from './commands/policy.js';
import { parityCommand } from './commands/parity.js';
import { demoCommand } from './commands/demo.js';
import { episodesCommand } from './commands/episodes.js';
import { evaluateCommand } from './commands/evaluate.js';
import { forecastCommand } from './commands/forecast.js';
import { infoCommand } from './commands/info.js';
import { inspectCommand } from './commands/inspect.js';
import { liftCommand } from './commands/lift.js';
import { nodeCommand } from './commands/node.js';
import { replayCommand } from './commands/replay.js';
import { serveCommand } from './commands/serve.js';
import { simulateCommand } from './commands/simulate.js';
import { tracksCommand } from './commands/tracks.js';
import { refuseEarlierResults, withOverwrite } from './earlier-results.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { packageFacts } from './package-facts.js';
import { requireOptionsLast } from './required-options.js';
import { refuseRosArguments, splitRosArguments } from './ros-arguments.js';
import { beQuiet, complain, formatError, outliveReaders } from './terminal.js';

const HELP = `
Results go to stdout, notices and progress to stderr.

Exit codes:
  0    done
  1    a fault of the software
  2    wrong usage or configuration
  3    input that cannot be used, or an answer that cannot be read (what could be written is written)
  4    output that could not be written whole (nothing stands under its final name), or that exists already
  5    done, and the robot did not do what it was told (an episode of the demo failed, commands break a limit)
  130  cancelled with Ctrl-C`;

/** Runs one command and sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  outliveReaders();
  try {
    const { own, ros } = splitRosArguments(argv);
    await makeProgram(ros).parseAsync([...own]);
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has printed its own message; asking for help is no error.
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    complain(formatError(error, argv.includes('--verbose')));
    process.exitCode = exitCodeOf(error);
  }
}

/** All commands, not yet run. @param rosArguments those behind `--ros-args`, for the commands that are ROS 2 nodes. */
export function makeProgram(rosArguments: readonly string[] = []): Command {
  const { version, description } = packageFacts();
  const program = new Command('molmo-motion')
    .description(description)
    .version(version)
    .showHelpAfterError('(add --help for what there is)')
    .exitOverride();
  const commands = [
    replayCommand,
    forecastCommand,
    liftCommand,
    tracksCommand,
    episodesCommand,
    evaluateCommand,
    infoCommand,
    demoCommand,
    buildCommand,
    inspectCommand,
    planCommand,
    policyCommand,
    pointCommand,
    parityCommand,
    serveCommand,
    benchCommand,
    configCommand,
    () => nodeCommand(rosArguments),
    () => simulateCommand(rosArguments),
    () => completionCommand(program),
  ];
  for (const make of commands) program.addCommand(make());
  withCommonOptions(program);
  const required = requireOptionsLast(program);
  return program.hook('preAction', async (_, command) => {
    if (command.optsWithGlobals<{ quiet?: boolean }>().quiet) beQuiet();
    required.check(command);
    refuseRosArguments(command, rosArguments);
    await refuseEarlierResults(command);
  });
}

function withCommonOptions(command: Command): void {
  command
    .option('--quiet', 'no notices and no progress, only results and errors')
    .option('--verbose', 'print the stack of an error')
    .addHelpText('after', HELP);
  withOverwrite(command);
  for (const sub of command.commands) {
    sub.copyInheritedSettings(command);
    withCommonOptions(sub);
  }
}
