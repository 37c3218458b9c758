import { Command, InvalidArgumentError, Option } from 'commander';
import type { LinkSettings } from '../../controller/command-link.js';
import { defaultSettings, type ControllerSettings } from '../../controller/controller-settings.js';
import type { ControlledArmFigures } from '../../controller/controlled-arm.js';
import type { LimitShare } from '../../controller/limit-judge.js';
import { playCommands } from '../../controller/play-commands.js';
import type { Arm } from '../../core/arm.js';
import { InputError } from '../../core/errors.js';
import { loadArm } from '../../files/arm-file.js';
import { DEFAULT_TOPICS } from '../../node/topics.js';
import { openRecording } from '../../recordings/open-recording.js';
import { recordedCommands, type RecordedTrajectories } from '../../runs/recorded-commands.js';
import { anyNumber, notNegative, wholeNumber } from '../arguments.js';
import { EXIT } from '../exit-codes.js';
import { reportResult } from '../json-report.js';
import { print, printTable, say } from '../terminal.js';

interface EvaluateCommandsOptions {
  readonly topic: string;
  readonly arm: string;
  readonly controller: ControllerSettings['distribution'];
  readonly from?: ControllerSettings['interpolatesFrom'];
  readonly allowMovingEnd?: boolean;
  readonly blend?: boolean;
  readonly delay: readonly [number, number];
  readonly loss: number;
  readonly clock: number;
  readonly lag: number;
  readonly seed: number;
  readonly json?: string;
}

/** Rounding of stamps and positions may not fail a stream that uses a limit fully. */
const KEPT = 1.005;
const DEFAULT_LAG_S = 0.02;

export function evaluateCommandsCommand(): Command {
  return new Command('commands')
    .description(
      'play the recorded commands of an arm through a model of joint_trajectory_controller, and hold what it commands at 1 kHz against the limits',
    )
    .argument('<recording>', 'MCAP file or rosbag2 directory')
    .option('--topic <name>', 'topic of the trajectories', DEFAULT_TOPICS.command)
    .option('--arm <name>', 'fr3, panda, or a YAML file with the limits of another arm', 'fr3')
    .addOption(
      new Option('--controller <distribution>', 'whose controller, as it is where nobody sets a parameter')
        .choices(['humble', 'jazzy', 'rolling'])
        .default('jazzy'),
    )
    .addOption(
      new Option('--from <state>', 'state that interpolation begins from (default: both in turn)').choices([
        'measured',
        'desired',
      ]),
    )
    .option('--allow-moving-end', 'allow_nonzero_velocity_at_trajectory_end')
    .option('--no-blend', 'allow_trajectory_replacement: false, of rolling')
    .option('--delay <s,s>', 'shortest and longest time of a message on its way', delays, [0, 0] as const)
    .option('--loss <share>', 'part of the messages that never comes', share, 0)
    .option('--clock <seconds>', "how far the controller's clock is ahead of the sender's", anyNumber, 0)
    .option('--lag <seconds>', 'time constant of the arm that is measured', notNegative, DEFAULT_LAG_S)
    .option('--seed <n>', 'of delays and losses', wholeNumber, 1)
    .option('--json <file>', 'write the figures as JSON too; - for stdout, in place of the table')
    .addHelpText(
      'after',
      `\nShares are parts of the limits; 1 is the limit itself. Exit code ${EXIT.failed} when a limit is broken or a message is refused.`,
    )
    .action(run);
}

async function run(location: string, options: EvaluateCommandsOptions): Promise<void> {
  const [arm, recorded] = await Promise.all([loadArm(options.arm), read(location, options.topic)]);
  if (recorded.start === null)
    say('no joint states come before the first command: the arm is taken to stand where that begins');
  const starts = options.from === undefined ? (['desired', 'measured'] as const) : [options.from];
  const results = starts.map((interpolatesFrom) => ({
    interpolates_from: interpolatesFrom,
    ...figuresOf(arm, recorded, options, interpolatesFrom),
  }));
  await reportResult(options.json, { recording: location, topic: options.topic, arm: arm.name, results }, () => {
    show(results);
  });
  if (results.some((figures) => !isKept(figures))) process.exitCode = EXIT.failed;
}

async function read(location: string, topic: string): Promise<RecordedTrajectories> {
  const recording = await openRecording(location);
  try {
    const recorded = await recordedCommands(recording, topic);
    if (recorded.commands.length > 0) return recorded;
    throw new InputError({
      code: 'commands.none',
      message: `${location} holds no command on ${topic}`,
      remedy: 'record while the arm is started, or name another topic with --topic',
    });
  } finally {
    await recording.close();
  }
}

function figuresOf(
  arm: Arm,
  { commands, start }: RecordedTrajectories,
  options: EvaluateCommandsOptions,
  interpolatesFrom: ControllerSettings['interpolatesFrom'],
): ControlledArmFigures {
  const defaults = defaultSettings(options.controller);
  const { joint_names: names, points } = commands[0]!.message;
  if (names.length !== arm.joints.length) {
    throw new InputError({
      code: 'commands.joints',
      message: `the commands are of ${names.length} joints, and the ${arm.name} has ${arm.joints.length}`,
      remedy: 'name the arm that they are for with --arm, and their topic with --topic',
    });
  }
  const link: LinkSettings = { delayS: options.delay, loss: options.loss };
  return playCommands(commands, {
    arm,
    settings: {
      ...defaults,
      interpolatesFrom,
      allowsMovingEnd: options.allowMovingEnd ?? defaults.allowsMovingEnd,
      blendsTrajectories: defaults.blendsTrajectories && options.blend !== false,
    },
    link,
    clockAheadS: options.clock,
    lagS: options.lag,
    seed: options.seed,
    start: start ?? Array.from(points[0]?.positions ?? arm.joints.map(() => 0)),
  });
}

function isKept({ velocity, acceleration, jerk, outsideRad, refused }: ControlledArmFigures): boolean {
  return [velocity, acceleration, jerk].every((one) => one.share <= KEPT) && outsideRad <= 0 && refused === 0;
}

function show(results: readonly (ControlledArmFigures & { readonly interpolates_from: string })[]): void {
  const text = ({ share: part, joint, atS }: LimitShare): string =>
    `${part.toFixed(2)} (joint ${joint}, ${atS.toFixed(3)} s)`;
  printTable(
    ['from', 'velocity', 'acceleration', 'jerk', 'step, rad', 'silence in motion, s', 'refused', 'lost', 'sent'],
    results.map((figures) => [
      figures.interpolates_from,
      text(figures.velocity),
      text(figures.acceleration),
      text(figures.jerk),
      figures.stepRad.toExponential(2),
      figures.silenceInMotionS.toFixed(3),
      figures.refused,
      figures.lost,
      figures.sent,
    ]),
  );
  for (const { interpolates_from: from, firstRefusal, outsideRad } of results) {
    if (firstRefusal) print(`from the ${from} state: the first refused message: ${firstRefusal.why}`);
    if (outsideRad > 0) print(`from the ${from} state: a joint is led ${outsideRad.toFixed(4)} rad out of its range`);
  }
}

function delays(text: string): readonly [number, number] {
  const [least = Number.NaN, most = Number.NaN, ...more] = text.split(',').map((part) => notNegative(part));
  if (more.length > 0 || !(most >= least)) throw new InvalidArgumentError('give two times, LEAST,MOST in seconds.');
  return [least, most];
}

function share(text: string): number {
  const value = notNegative(text);
  if (value >= 1) throw new InvalidArgumentError('a number of 0 or above and below 1 is needed.');
  return value;
}
