import path from 'node:path';
import { Command } from 'commander';
import { openPolicy } from '../../assembly/model-source.js';
import { ConfigurationError } from '../../core/errors.js';
import { MAX_DELTA_RAD } from '../../execution/reference-command.js';
import { Model } from '../../inference/model.js';
import { policyMetadata, PolicySession, type PolicySessionOptions } from '../../serving/policy-session.js';
import { PolicyServer, type ClientEvent } from '../../serving/policy-server.js';
import { countingNumber, positiveNumber, wholeNumber } from '../arguments.js';
import { readText } from '../input-file.js';
import { interruptible } from '../interruption.js';
import { modelOptions, withModelOptions, type ModelCommandOptions } from '../model-options.js';
import { say } from '../terminal.js';

interface ServeOptions extends ModelCommandOptions {
  readonly bundle: string;
  readonly host: string;
  readonly port: number;
  readonly name?: string;
  readonly maxClients: number;
  readonly maxMessage: number;
  readonly tokenFile?: string;
  readonly maxDelta: number | boolean;
  readonly seed: number;
}

/** Of the published servers. */
const DEFAULT_PORT = 8000;
const DEFAULT_CLIENTS = 16;
/** Two pictures of 4K, in mebibytes. */
const DEFAULT_MESSAGE_MIB = 64;
const MIB = 1 << 20;
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);
const TOKEN_VARIABLE = 'MOLMO_MOTION_TOKEN';

export function serveCommand(): Command {
  return withModelOptions(
    new Command('serve')
      .description('serve a policy bundle to other machines: the WebSocket protocol of MolmoBot and MolmoSpaces')
      .requiredOption('--bundle <dir>', 'bundle built with --task policy')
      .option('--host <address>', 'address that is listened on; 0.0.0.0 for every one of this machine', '127.0.0.1')
      .option('--port <n>', 'port that is listened on; 0 takes a free one', wholeNumber, DEFAULT_PORT)
      .option('--name <name>', 'what clients are told as model_name (default: the name of the folder)')
      .option(
        '--max-clients <n>',
        'clients at the same time; further ones are answered 503',
        countingNumber,
        DEFAULT_CLIENTS,
      )
      .option('--max-message <mib>', 'largest message, mebibytes', countingNumber, DEFAULT_MESSAGE_MIB)
      .option(
        '--token-file <file>',
        `clients must give what stands in it as "Authorization: Bearer TOKEN" (or set ${TOKEN_VARIABLE})`,
      )
      .option(
        '--max-delta <rad>',
        'furthest that a joint of an answer may be from where the client measured it',
        positiveNumber,
        MAX_DELTA_RAD,
      )
      .option('--no-max-delta', 'answers as the policy says them')
      .option('--seed <n>', 'of the noise that chunks start from; the same for every client', wholeNumber, 0),
  )
    .addHelpText(
      'after',
      '\nA client is sent the metadata when it connects. It then sends observations {task, qpos: {arm, gripper}, CAMERA: uint8 [height, width, 3]} and is answered {arm,\ngripper, server_timing}, one step for each. Connecting again begins anew. GET /healthz is answered OK. Ends with Ctrl-C. docs/serving.md has all of it.',
    )
    .action(run);
}

async function run(options: ServeOptions): Promise<void> {
  const { bundle, host, port, maxClients, maxMessage, maxDelta, seed } = options;
  const token = await tokenOf(options.tokenFile);
  const model = await Model.open(bundle, 'policy', modelOptions(options));
  try {
    const { policy, input } = openPolicy(model).open;
    const session: PolicySessionOptions = {
      ...input,
      maxDeltaRad: typeof maxDelta === 'number' ? maxDelta : null,
      seed,
    };
    const server = await PolicyServer.start({
      host,
      port,
      metadata: policyMetadata(
        options.name ?? path.basename(path.resolve(bundle)),
        { policy, options: session },
        input.gripper,
      ),
      openSession: () => new PolicySession(policy, session),
      mostClients: maxClients,
      mostBytes: maxMessage * MIB,
      token,
      onClient: tell,
    });
    try {
      say(`serving ${bundle} at ws://${host.includes(':') ? `[${host}]` : host}:${server.port}`);
      if (token === null && !LOOPBACK.has(host)) say('everybody who reaches this address may ask: give --token-file');
      await interruptible(
        (signal) =>
          new Promise<void>((resolve) => {
            signal.addEventListener('abort', () => {
              resolve();
            });
          }),
      );
    } finally {
      await server.close();
    }
  } finally {
    await model.close();
  }
}

/** @throws ConfigurationError `serve.token` for an empty one. */
async function tokenOf(file: string | undefined): Promise<string | null> {
  const token = file === undefined ? process.env[TOKEN_VARIABLE] : (await readText(file)).trim();
  if (token === undefined) return null;
  if (token !== '') return token;
  throw new ConfigurationError({
    code: 'serve.token',
    message: `the token in ${file ?? TOKEN_VARIABLE} is empty`,
    remedy: 'write a long random text there, such as the output of: openssl rand -hex 32',
  });
}

function tell({ client, address, kind, answers, error }: ClientEvent): void {
  if (kind === 'opened') say(`client ${client} from ${address}`);
  else say(`client ${client} has left after ${answers} answers${error === null ? '' : `: ${error}`}`);
}
