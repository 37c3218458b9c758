import { Worker } from 'node:worker_threads';
import { CancelledError, InputError, PlannerError, RetryableError } from '../core/errors.js';
import { abortable } from './abortable.js';
import type { Request, Response, SessionSettings, TensorValues } from './worker-messages.js';

export interface WorkerOptions extends SessionSettings {
  /** What runs here, for messages: `policy`. */
  readonly task: string;
  /** A .onnx file with its weights beside it, or the model itself. */
  readonly graph: string | Uint8Array;
  /** Longest time that one run may take, milliseconds; for ever when left out. */
  readonly timeoutMs?: number;
  /** What the thread runs; something else only in tests. */
  readonly program?: URL;
}

export interface RunResult {
  readonly outputs: TensorValues;
  /** Of the run alone, without the way to the worker and back. */
  readonly ms: number;
}

/** `late`: it still computes a run that exceeded its time. `failed`: it died too often, and is not started again. */
export type WorkerState = 'starting' | 'ready' | 'late' | 'restarting' | 'failed' | 'closed';

/** A worker that dies this often without a good run between is not started again: the fault is not a passing one. */
const MOST_DEATHS = 3;

/** A question that the thread has not answered, though its asker may have been told something else meanwhile. */
interface Pending {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: unknown) => void;
}

/** Compiled code: a worker thread cannot be started from TypeScript, so tests use what the build made too. */
const WORKER_FILE = new URL('../../dist/inference/session-worker.js', import.meta.url);

/**
 * One ONNX session in a thread of its own, so that the thread of timers and watchdogs never waits for a model. A thread that dies is replaced; what
 * was asked of it rejects with a RetryableError.
 *
 * The runtime cannot be interrupted: a thread that is terminated while a model computes takes the whole process down (onnxruntime-node 1.30 throws
 * where nobody can catch it). So a run always goes to its end, whatever its asker was told, and a thread is only ever ended while it is idle.
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
  /** Called when nothing is asked any more. */
  #idle: (() => void) | null = null;
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
   * Cancelling, and exceeding the time, reject at once; a run that the runtime has begun still goes to its end, and its result is dropped.
   * Rejects with CancelledError, RetryableError `inference.died`, `inference.timeout`, or `inference.late` while a run that exceeded its time is not
   * over, InputError `inference.run` or `inference.memory`.
   */
  run(inputs: TensorValues, signal?: AbortSignal): Promise<RunResult> {
    const turn = this.#queue.then(async () => {
      if (signal?.aborted || this.#state === 'closed') throw this.#cancelled();
      await this.#loading;
      if (this.#state === 'late') throw this.#late();
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
    return signal ? abortable(result, signal, this.#cancelled()) : result;
  }

  /** Writes the profile that `profile` asked for. */
  async endProfile(): Promise<void> {
    await this.#queue;
    await this.#ask({ kind: 'end-profile' }, []);
  }

  /** Tells those that wait, and ends the thread when what it computes is over. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#rejectPending(this.#cancelled());
    if (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  async #load(): Promise<void> {
    const worker = new Worker(this.#options.program ?? WORKER_FILE, { name: this.#options.task });
    this.#worker = worker;
    worker.on('message', (response: Response) => {
      this.#pending.get(response.id)?.resolve(response);
      this.#forget(response.id);
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
              if (this.#state === 'ready') this.#state = 'late';
              reject(this.#tooSlow(timeoutMs));
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

  /** The last answer that was waited for ends what hung on it. */
  #forget(id: number): void {
    this.#pending.delete(id);
    if (this.#pending.size > 0) return;
    if (this.#state === 'late') this.#state = 'ready';
    this.#idle?.();
  }

  /** Everything that waits is told, and another thread is started. */
  #died(worker: Worker, why: string | PlannerError): void {
    if (worker !== this.#worker) return;
    this.#worker = null;
    this.#rejectPending(
      why instanceof PlannerError
        ? why
        : new RetryableError({
            code: 'inference.died',
            message: `the ${this.#options.task} worker died: ${why}`,
            remedy: 'it is started again; look at the log of the system if it keeps dying',
          }),
    );
    for (const id of [...this.#pending.keys()]) this.#forget(id);
    if (this.#state === 'closed') return;
    this.#deaths++;
    if (this.#state === 'starting' || this.#deaths >= MOST_DEATHS) {
      this.#state = 'failed';
      return;
    }
    this.#state = 'restarting';
    this.#loading = this.#load();
    this.#loading.catch(() => {
      if (this.#state === 'restarting') this.#state = 'failed';
    });
  }

  #rejectPending(error: PlannerError): void {
    for (const { reject } of this.#pending.values()) reject(error);
  }

  #cancelled(): CancelledError {
    return new CancelledError(`a run of the ${this.#options.task} model`);
  }

  #tooSlow(timeoutMs: number): RetryableError {
    return new RetryableError({
      code: 'inference.timeout',
      message: `the ${this.#options.task} model did not answer in ${timeoutMs} ms`,
      remedy: 'allow more time, or use a smaller or quantised model',
    });
  }

  #late(): RetryableError {
    return new RetryableError({
      code: 'inference.late',
      message: `the ${this.#options.task} model still computes a run that exceeded its time`,
      remedy: 'ask again when it is done; allow more time, or use a smaller or quantised model',
    });
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
