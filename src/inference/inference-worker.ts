import { Worker } from 'node:worker_threads';
import { CancelledError, InputError, PlannerError, RetryableError } from '../core/errors.js';
import type { Request, Response, SessionSettings, TensorValues } from './worker-messages.js';

export interface WorkerOptions extends SessionSettings {
  /** What runs here, for messages: `policy`. */
  readonly task: string;
  /** A .onnx file with its weights beside it, or the model itself. */
  readonly graph: string | Uint8Array;
  /** Longest time that one run may take, milliseconds; for ever when left out. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  readonly outputs: TensorValues;
  /** Of the run alone, without the way to the worker and back. */
  readonly ms: number;
}

/** `failed`: it died too often, and is not started again. */
export type WorkerState = 'starting' | 'ready' | 'restarting' | 'failed' | 'closed';

/** A worker that dies this often without a good run between is not started again: the fault is not a passing one. */
const MOST_DEATHS = 3;

interface Pending {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: unknown) => void;
}

/** Compiled code: a worker thread cannot be started from TypeScript, so tests use what the build made too. */
const WORKER_FILE = new URL('../../dist/inference/session-worker.js', import.meta.url);

/**
 * One ONNX session in a thread of its own, so that the thread of timers and watchdogs never waits for a model. A thread that dies, or exceeds its
 * time, is replaced; what was asked of it rejects with a RetryableError.
 */
export class InferenceWorker {
  readonly #options: WorkerOptions;
  #worker: Worker | null = null;
  #pending = new Map<number, Pending>();
  #nextId = 0;
  #deaths = 0;
  #state: WorkerState = 'starting';
  #loading: Promise<void>;
  #inputs: readonly string[] = [];
  #outputs: readonly string[] = [];
  #loadMs = 0;
  /** Runs go one after the other; the tail of the queue. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: WorkerOptions) {
    this.#options = options;
    this.#loading = this.#load();
  }

  /** Resolves when the model is loaded. @throws InputError `inference.load`, `inference.memory`. */
  static async start(options: WorkerOptions): Promise<InferenceWorker> {
    const worker = new InferenceWorker(options);
    try {
      await worker.#loading;
    } catch (error) {
      await worker.close();
      throw error;
    }
    return worker;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Of the graph. */
  get inputs(): readonly string[] {
    return this.#inputs;
  }

  get outputs(): readonly string[] {
    return this.#outputs;
  }

  get loadMs(): number {
    return this.#loadMs;
  }

  /**
   * One run of the graph. Runs are done in the order in which they are asked for. The inputs' buffers are transferred: they are empty afterwards.
   * Cancelling rejects at once; a run that the runtime has begun still goes to its end, and its result is dropped.
   * Rejects with CancelledError, RetryableError `inference.died` or `inference.timeout`, InputError `inference.run` or `inference.memory`.
   */
  run(inputs: TensorValues, signal?: AbortSignal): Promise<RunResult> {
    const turn = this.#queue.then(async () => {
      if (signal?.aborted) throw new CancelledError(`a run of the ${this.#options.task} model`);
      await this.#loading;
      return this.#ask(
        { kind: 'run', inputs },
        Object.values(inputs).map(({ data }) => data.buffer as ArrayBuffer),
        this.#options.timeoutMs,
      );
    });
    this.#queue = turn.catch(() => undefined);
    const result = turn.then((response): RunResult => {
      if (response.kind !== 'done') throw this.#failure(response);
      this.#deaths = 0;
      return { outputs: response.outputs, ms: response.ms };
    });
    return signal ? abortable(result, signal, `a run of the ${this.#options.task} model`) : result;
  }

  /** Writes the profile that `profile` asked for. */
  async endProfile(): Promise<void> {
    await this.#queue;
    await this.#ask({ kind: 'end-profile' }, []);
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    const worker = this.#worker;
    this.#worker = null;
    this.#rejectPending(new CancelledError(`the ${this.#options.task} worker`));
    await worker?.terminate();
  }

  async #load(): Promise<void> {
    const worker = new Worker(WORKER_FILE, { name: this.#options.task });
    this.#worker = worker;
    worker.on('message', (response: Response) => {
      this.#pending.get(response.id)?.resolve(response);
      this.#pending.delete(response.id);
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      this.#died(worker, error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? this.#outOfMemory(error.message) : error.message);
    });
    worker.on('exit', (code) => {
      this.#died(worker, `its thread ended with code ${code}`);
    });
    const { provider, threads, profile, graph } = this.#options;
    const response = await this.#ask(
      {
        kind: 'load',
        graph,
        provider,
        ...(threads !== undefined && { threads }),
        ...(profile !== undefined && { profile }),
      },
      [],
    );
    if (response.kind !== 'loaded') throw this.#failure(response);
    this.#inputs = response.inputs;
    this.#outputs = response.outputs;
    this.#loadMs = response.ms;
    this.#state = 'ready';
  }

  #ask(
    request: Request extends infer R ? (R extends { readonly id: number } ? Omit<R, 'id'> : never) : never,
    buffers: readonly ArrayBuffer[],
    timeoutMs?: number,
  ): Promise<Response> {
    const worker = this.#worker;
    if (!worker) return Promise.reject(this.#notRunning());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              this.#died(
                worker,
                new RetryableError({
                  code: 'inference.timeout',
                  message: `the ${this.#options.task} model did not answer in ${timeoutMs} ms; its worker is started anew`,
                  remedy: 'allow more time, or use a smaller or quantised model',
                }),
              );
              void worker.terminate();
            }, timeoutMs);
      this.#pending.set(id, {
        resolve: (response) => {
          clearTimeout(timer);
          resolve(response);
        },
        reject: (error: unknown) => {
          clearTimeout(timer);
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      });
      worker.postMessage({ id, ...request }, buffers);
    });
  }

  /** Everything that waits is told, and another thread is started. */
  #died(worker: Worker, why: string | PlannerError): void {
    if (worker !== this.#worker) return;
    this.#worker = null;
    const error =
      why instanceof PlannerError
        ? why
        : new RetryableError({
            code: 'inference.died',
            message: `the ${this.#options.task} worker died: ${why}`,
            remedy: 'it is started again; look at the log of the system if it keeps dying',
          });
    this.#rejectPending(error);
    this.#deaths++;
    const neverRan = this.#state === 'starting';
    if (neverRan || this.#deaths >= MOST_DEATHS) {
      this.#state = 'failed';
      return;
    }
    this.#state = 'restarting';
    this.#loading = this.#load();
    this.#loading.catch(() => {
      this.#state = 'failed';
    });
  }

  #rejectPending(error: PlannerError): void {
    const pending = this.#pending;
    this.#pending = new Map();
    for (const { reject } of pending.values()) reject(error);
  }

  #notRunning(): PlannerError {
    return new InputError({
      code: 'inference.stopped',
      message: `the ${this.#options.task} worker is ${this.#state}`,
      remedy:
        this.#state === 'failed'
          ? 'look at the errors before this one, mend their cause, and start again'
          : 'start another',
    });
  }

  #failure(response: Response): PlannerError {
    const message = response.kind === 'failed' ? response.message : `it answered "${response.kind}"`;
    if (/alloc|out of memory|OutOfMemory/i.test(message)) return this.#outOfMemory(message);
    return new InputError({
      code: this.#state === 'ready' ? 'inference.run' : 'inference.load',
      message: `the ${this.#options.task} model ${this.#state === 'ready' ? 'could not be run' : 'could not be loaded'}: ${message}`,
      remedy: 'build the bundle again; if it stays so, the runtime or its provider does not support this model',
    });
  }

  #outOfMemory(message: string): InputError {
    return new InputError({
      code: 'inference.memory',
      message: `there is not enough memory for the ${this.#options.task} model: ${message}`,
      remedy: 'build it with --dtype int4 or fp16, run fewer models at once, or use a machine with more memory',
    });
  }
}

/** Rejects when the signal aborts, whatever the work does then. */
function abortable<T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(new CancelledError(what));
    };
    signal.addEventListener('abort', abort, { once: true });
    work
      .finally(() => {
        signal.removeEventListener('abort', abort);
      })
      .then(resolve, reject);
  });
}
