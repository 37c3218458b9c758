import { Command } from 'commander';
import { countingNumber, positiveNumber } from '../arguments.js';
import { benchReplay } from '../benchmarks/replay.js';
import { printJson, say } from '../terminal.js';

export function benchCommand(): Command {
  return new Command('bench').description('measure speed and memory').addCommand(
    new Command('replay')
      .description(
        'make a two-camera 640x360 RGB-D MCAP, replay it without a model, and check that every message was processed',
      )
      .option('--seconds <n>', 'length of the recording', positiveNumber, 60)
      .option('--rate <hz>', 'pictures per second of each camera', countingNumber, 15)
      .option('--raw', 'raw pictures instead of JPEG and compressedDepth (2 GB a minute, copied once)')
      .option('--json', 'print the figures as JSON')
      .action(
        async (options: {
          readonly seconds: number;
          readonly rate: number;
          readonly raw?: boolean;
          readonly json?: boolean;
        }) => {
          const figures = await benchReplay({
            seconds: options.seconds,
            rateHz: options.rate,
            compressed: !options.raw,
          });
          if (options.json) printJson(figures);
          else for (const [name, value] of Object.entries(figures)) say(`${name}: ${String(value)}`);
        },
      ),
  );
}
