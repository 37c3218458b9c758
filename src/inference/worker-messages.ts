/** What the main thread and an inference worker say to each other. Buffers are transferred, never copied. */

export const PROVIDERS = ['cpu', 'cuda', 'webgpu'] as const;
/** Where a graph runs, by onnxruntime's names. */
export type Provider = (typeof PROVIDERS)[number];

/** Values of a graph's input or output, row-major. */
export type TensorValue =
  | { readonly type: 'float32'; readonly dims: readonly number[]; readonly data: Float32Array }
  | { readonly type: 'uint8'; readonly dims: readonly number[]; readonly data: Uint8Array }
  | { readonly type: 'int64'; readonly dims: readonly number[]; readonly data: BigInt64Array };

export type TensorValues = Readonly<Record<string, TensorValue>>;

export interface SessionSettings {
  readonly provider: Provider;
  /** Threads of one operator; onnxruntime chooses when left out. */
  readonly threads?: number;
  /** Prefix of a file that times every operator; none when left out. */
  readonly profile?: string;
}

export interface LoadRequest extends SessionSettings {
  readonly kind: 'load';
  /** A .onnx file with its weights beside it, or the model itself. */
  readonly graph: string | Uint8Array;
}

export interface RunRequest {
  readonly kind: 'run';
  readonly inputs: TensorValues;
}

/** Ends the profile; its file's name comes back. */
export interface ProfileRequest {
  readonly kind: 'end-profile';
}

export type Request = { readonly id: number } & (LoadRequest | RunRequest | ProfileRequest);

export type Response = { readonly id: number } & (
  | {
      readonly kind: 'loaded';
      readonly inputs: readonly string[];
      readonly outputs: readonly string[];
      readonly ms: number;
    }
  | { readonly kind: 'done'; readonly outputs: TensorValues; readonly ms: number }
  | { readonly kind: 'profile' }
  | { readonly kind: 'failed'; readonly message: string }
);
