import { InputError } from '../core/errors.js';

/** A tensor as the pickle of torch.save describes it; the numbers are in the storage's own file. */
export interface TorchTensor {
  /** Name of the storage, which is that of its member under `data/`. */
  readonly storage: string;
  /** Such as `FloatStorage`. */
  readonly storageType: string;
  /** Elements before the first one, in the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

type Value =
  null | boolean | number | bigint | string | TorchTensor | Value[] | Map<Value, Value> | { readonly global: string };

const MARK = Symbol('mark');

/** Everything that torch.save of tensors calls. A pickle is a program: whatever else it asks for is refused, and nothing is ever run. */
const ORDERED_DICT = 'collections.OrderedDict';
const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const STORAGE = /^torch\.(storage\.)?\w+Storage$/;

/** Reads the pickle of a torch file: a tensor, or (nested) dictionaries and lists of them. @throws InputError `torch.pickle`. */
export function readTorchPickle(bytes: Uint8Array, what: string): unknown {
  return new Unpickler(bytes, what).run();
}

export function isTorchTensor(value: unknown): value is TorchTensor {
  return typeof value === 'object' && value !== null && 'storage' in value && 'strides' in value;
}

class Unpickler {
  readonly #bytes: Buffer;
  readonly #what: string;
  readonly #stack: (Value | typeof MARK)[] = [];
  readonly #memo = new Map<number, Value>();
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  run(): Value {
    try {
      for (;;) {
        const opcode = this.#bytes.readUInt8(this.#at++);
        if (opcode === 0x2e) return this.#pop();
        this.#step(opcode);
      }
    } catch (cause) {
      if (cause instanceof InputError) throw cause;
      return this.#fail(cause instanceof Error ? cause.message : String(cause));
    }
  }

  #step(opcode: number): void {
    const b = this.#bytes;
    switch (opcode) {
      case 0x80: // PROTO
        this.#at += 1;
        return;
      case 0x95: // FRAME
        this.#at += 8;
        return;
      case 0x28: // MARK
        this.#stack.push(MARK);
        return;
      case 0x4e: // NONE
        this.#stack.push(null);
        return;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        this.#stack.push(opcode === 0x88);
        return;
      case 0x4b: // BININT1
        this.#stack.push(b.readUInt8(this.#skip(1)));
        return;
      case 0x4d: // BININT2
        this.#stack.push(b.readUInt16LE(this.#skip(2)));
        return;
      case 0x4a: // BININT
        this.#stack.push(b.readInt32LE(this.#skip(4)));
        return;
      case 0x8a: {
        // LONG1: two's complement, little endian, of any length
        const length = b.readUInt8(this.#skip(1));
        const start = this.#skip(length);
        let value = 0n;
        for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(b.readUInt8(start + i));
        this.#stack.push(Number(BigInt.asIntN(8 * Math.max(1, length), value)));
        return;
      }
      case 0x47: // BINFLOAT
        this.#stack.push(b.readDoubleBE(this.#skip(8)));
        return;
      case 0x58: // BINUNICODE
        this.#stack.push(this.#text(b.readUInt32LE(this.#skip(4))));
        return;
      case 0x8c: // SHORT_BINUNICODE
        this.#stack.push(this.#text(b.readUInt8(this.#skip(1))));
        return;
      case 0x63: // GLOBAL
        this.#stack.push(this.#global(`${this.#line()}.${this.#line()}`));
        return;
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        const module = this.#pop();
        this.#stack.push(this.#global(`${this.#asText(module)}.${this.#asText(name)}`));
        return;
      }
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        this.#stack.push([]);
        return;
      case 0x7d: // EMPTY_DICT
        this.#stack.push(new Map());
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#stack.push(this.#popMany(opcode - 0x84));
        return;
      case 0x74: // TUPLE
        this.#stack.push(this.#popToMark());
        return;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        return;
      case 0x65: // APPENDS
        this.#append(this.#popToMark());
        return;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        return;
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        return;
      case 0x71: // BINPUT
        this.#memo.set(b.readUInt8(this.#skip(1)), this.#top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(b.readUInt32LE(this.#skip(4)), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 0x68: // BINGET
        this.#stack.push(this.#recall(b.readUInt8(this.#skip(1))));
        return;
      case 0x6a: // LONG_BINGET
        this.#stack.push(this.#recall(b.readUInt32LE(this.#skip(4))));
        return;
      case 0x51: // BINPERSID: ('storage', type, key, location, elements), passed on as it is
        return;
      case 0x52: {
        // REDUCE
        const args = this.#pop();
        this.#stack.push(this.#call(this.#pop(), args));
        return;
      }
      case 0x62: // BUILD: the attributes of an ordered dictionary (its _metadata) hold no tensors
        this.#pop();
        if (!(this.#top() instanceof Map)) this.#fail('it sets attributes of something that is no dictionary');
        return;
      default:
        this.#fail(`it uses the instruction 0x${opcode.toString(16)}`);
    }
  }

  #call(callee: Value, args: Value): Value {
    const name = callee !== null && typeof callee === 'object' && 'global' in callee ? callee.global : '';
    if (!Array.isArray(args)) return this.#fail(`it calls ${name} without arguments`);
    if (name === ORDERED_DICT) return new Map();
    if (name === REBUILD_PARAMETER) return args[0]!;
    const [storage, offset, shape, strides] = args;
    if (name !== REBUILD_TENSOR || !Array.isArray(storage) || !Array.isArray(shape) || !Array.isArray(strides))
      return this.#fail(`it calls ${name || 'something unnamed'}`);
    const type = storage[1];
    if (storage[0] !== 'storage' || type === null || typeof type !== 'object' || !('global' in type))
      return this.#fail('a tensor has no storage');
    const count = (value: Value | undefined): number =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
        ? value
        : this.#fail(
            `an offset, size or stride of a tensor is ${typeof value === 'number' ? value : 'no number'}, not a whole number from 0`,
          );
    return {
      storage: this.#asText(storage[2]),
      storageType: type.global.split('.').at(-1)!,
      offset: count(offset),
      shape: shape.map(count),
      strides: strides.map(count),
    };
  }

  #global(name: string): Value {
    if (name === ORDERED_DICT || name === REBUILD_TENSOR || name === REBUILD_PARAMETER || STORAGE.test(name))
      return { global: name };
    return this.#fail(`it asks for ${name}`);
  }

  #append(values: readonly Value[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) this.#fail('it appends to something that is no list');
    else for (const value of values) list.push(value);
  }

  #setItems(items: readonly Value[]): void {
    const map = this.#top();
    if (!(map instanceof Map)) this.#fail('it stores into something that is no dictionary');
    else for (let i = 0; i + 1 < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
  }

  #top(): Value {
    const top = this.#stack.at(-1);
    return top === undefined || top === MARK ? this.#fail('its stack is empty') : top;
  }

  #pop(): Value {
    const top = this.#top();
    this.#stack.pop();
    return top;
  }

  #popMany(count: number): Value[] {
    return Array.from({ length: count }, () => this.#pop()).reverse();
  }

  #popToMark(): Value[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) this.#fail('a mark is missing');
    return this.#stack.splice(mark).slice(1) as Value[];
  }

  #recall(key: number): Value {
    return this.#memo.get(key) ?? this.#fail(`it recalls ${key}, which was never stored`);
  }

  #text(length: number): string {
    const start = this.#skip(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) this.#fail('a name does not end');
    const line = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return line;
  }

  #asText(value: Value | undefined): string {
    return typeof value === 'string' ? value : this.#fail('a name is no text');
  }

  /** Moves on, and gives where it stood. */
  #skip(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) this.#fail('it ends early');
    this.#at += bytes;
    return at;
  }

  #fail(why: string): never {
    throw new InputError({
      code: 'torch.pickle',
      message: `the pickle of ${this.#what} is refused: ${why}`,
      remedy: 'save tensors, or a state dict of tensors, with torch.save',
    });
  }
}
