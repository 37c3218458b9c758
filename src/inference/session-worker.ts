import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { Request, Response, TensorValue, TensorValues } from './worker-messages.js';

/**
 * The thread that owns one ONNX session. `run` of onnxruntime-node blocks the thread it is called on for as long as the model computes, so nothing
 * else lives here.
 */

let session: ort.InferenceSession | null = null;

parentPort!.on('message', (request: Request) => {
  answer(request).then(
    ([response, buffers]) => {
      parentPort!.postMessage(response, buffers);
    },
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      parentPort!.postMessage({ id: request.id, kind: 'failed', message } satisfies Response);
    },
  );
});

async function answer(request: Request): Promise<[Response, ArrayBuffer[]]> {
  const { id } = request;
  const start = performance.now();
  switch (request.kind) {
    case 'load': {
      const options: ort.InferenceSession.SessionOptions = {
        executionProviders: [request.provider],
        graphOptimizationLevel: 'all',
        // Errors come as exceptions, and are told once.
        logSeverityLevel: 4,
        extra: {
          // Of onnxruntime 1.30 this one optimizer reads shapes that a loop's body does not have, and takes the process down.
          optimization: { disable_specified_optimizers: 'SkipLayerNormFusion' },
          // The exponentials of masked scores would be denormal numbers, on which a CPU takes twice the time of an attention.
          session: { set_denormal_as_zero: '1' },
        },
        ...(request.threads !== undefined && { intraOpNumThreads: request.threads }),
        ...(request.profile !== undefined && { enableProfiling: true, profileFilePrefix: request.profile }),
      };
      // The two signatures are apart in the library's types.
      session =
        typeof request.graph === 'string'
          ? await ort.InferenceSession.create(request.graph, options)
          : await ort.InferenceSession.create(request.graph, options);
      const { inputNames, outputNames } = session;
      return [{ id, kind: 'loaded', inputs: inputNames, outputs: outputNames, ms: performance.now() - start }, []];
    }
    case 'run': {
      const results = await loaded().run(
        Object.fromEntries(
          Object.entries(request.inputs).map(([name, value]) => [
            name,
            new ort.Tensor(value.type, value.data, value.dims),
          ]),
        ),
      );
      const ms = performance.now() - start;
      const outputs: TensorValues = Object.fromEntries(
        // The library's memory is its own: what leaves this thread is a copy.
        Object.entries(results).map(([name, tensor]) => [name, ownCopy(tensor)]),
      );
      return [{ id, kind: 'done', outputs, ms }, Object.values(outputs).map(({ data }) => data.buffer as ArrayBuffer)];
    }
    case 'end-profile':
      loaded().endProfiling();
      return [{ id, kind: 'profile' }, []];
  }
}

function loaded(): ort.InferenceSession {
  if (!session) throw new Error('no model is loaded');
  return session;
}

function ownCopy(tensor: ort.Tensor): TensorValue {
  const dims = [...tensor.dims];
  const { data } = tensor;
  if (data instanceof Float32Array) return { type: 'float32', dims, data: data.slice() };
  if (data instanceof BigInt64Array) return { type: 'int64', dims, data: data.slice() };
  if (data instanceof Uint8Array) return { type: 'uint8', dims, data: data.slice() };
  throw new Error(`an output of type ${tensor.type} is not expected`);
}
