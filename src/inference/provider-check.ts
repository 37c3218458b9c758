import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigurationError, describeError } from '../core/errors.js';
import { Algebra } from '../onnx/algebra.js';
import { InferenceWorker } from './inference-worker.js';
import type { Provider } from './worker-messages.js';

/** Names that onnxruntime writes into its profiles. */
const EXECUTION_PROVIDERS: Readonly<Record<Provider, string>> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
};

/**
 * Makes sure that work is done where it is configured to be. A provider whose libraries do not fit falls back to the CPU without an error, so a
 * product is computed and the profile tells who did it.
 * @throws ConfigurationError `provider.unavailable` or `provider.fallback`.
 */
export async function checkProvider(provider: Provider): Promise<void> {
  if (provider === 'cpu') return;
  const folder = await mkdtemp(path.join(tmpdir(), 'molmo-motion-provider-'));
  try {
    const used = await profileProduct(provider, path.join(folder, 'probe'), folder);
    if (used.includes(EXECUTION_PROVIDERS[provider])) return;
    throw new ConfigurationError({
      code: 'provider.fallback',
      message: `the provider ${provider} is configured, but onnxruntime computes on ${used.join(', ') || 'something unknown'}`,
      remedy: `install the libraries that onnxruntime-node's ${provider} provider was built with, or choose --provider cpu`,
    });
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError({
      code: 'provider.unavailable',
      message: `the provider ${provider} cannot be used: ${describeError(cause)}`,
      remedy:
        provider === 'cuda'
          ? 'install the GPU libraries (README, "GPU"), or choose --provider cpu'
          : 'choose --provider cpu',
      cause,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Names of the providers that a matrix product ran on. */
async function profileProduct(provider: Provider, prefix: string, folder: string): Promise<readonly string[]> {
  const size = 64;
  const worker = await InferenceWorker.start({
    task: 'provider check',
    graph: matrixProduct(size),
    provider,
    profile: prefix,
  });
  try {
    const ones = (): Float32Array => new Float32Array(size * size).fill(1);
    await worker.run({
      a: { type: 'float32', dims: [size, size], data: ones() },
      b: { type: 'float32', dims: [size, size], data: ones() },
    });
    await worker.endProfile();
  } finally {
    await worker.close();
  }
  const [file] = await readdir(folder);
  const events = JSON.parse(await readFile(path.join(folder, file!), 'utf8')) as readonly {
    readonly args?: { readonly op_name?: string; readonly provider?: string };
  }[];
  return [
    ...new Set(events.flatMap(({ args }) => (args?.op_name === 'MatMul' && args.provider ? [args.provider] : []))),
  ];
}

/** The model c = a b, of two inputs [size, size]. */
export function matrixProduct(size: number): Uint8Array {
  const g = new Algebra({ tracing: false });
  const a = g.input('a', 'float32', [size, size]);
  const b = g.input('b', 'float32', [size, size]);
  g.output('c', g.matmul(a, b), [size, size]);
  return g.toModel();
}
