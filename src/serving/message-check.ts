import { isUtf8 } from 'node:buffer';
import { badMessage } from './message-error.js';

/** Deeper than any observation, and far from the end of the stack. The published reader gives up between 100 and 500. */
const MOST_LEVELS = 200;
/** Of one message. An observation of MolmoSpaces has some thousands. */
const MOST_VALUES = 1_000_000;
const SHAPE_KEY = new TextEncoder().encode('shape');

/**
 * Reads a message once without making anything of it. What is wrong with a hostile message is found here, because the library that decodes it afterwards
 * believes the sizes that a message claims, repairs broken UTF-8, and does not tell 2.0 from 2, so that nobody could see a shape of fractions.
 * @throws InputError `message.format`.
 */
export function checkMessage(bytes: Uint8Array): void {
  const check = new Check(bytes);
  check.value(0);
  if (check.rest > 0) throw badMessage(`${check.rest} bytes stand behind its object`);
}

/** What the first byte of an object says of it. */
type Head =
  | { readonly kind: 'nothing' | 'whole' | 'float' | 'text' | 'bytes'; readonly size: number }
  | { readonly kind: 'list' | 'map'; readonly size: number };

class Check {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #values = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  /** @param isShape the object is the shape of an array. */
  value(level: number, isShape = false): void {
    if (level > MOST_LEVELS) throw badMessage(`it has more than ${MOST_LEVELS} levels`);
    if (++this.#values > MOST_VALUES) throw badMessage(`it has more than ${MOST_VALUES} values`);
    const head = this.#head();
    if (isShape && head.kind === 'float') throw badMessage('the shape of an array has a fraction');
    switch (head.kind) {
      case 'list':
        this.#need(head.size);
        for (let i = 0; i < head.size; i++) this.value(level + 1, isShape);
        return;
      case 'map':
        this.#need(2 * head.size);
        for (let i = 0; i < head.size; i++) this.value(level + 1, this.#key());
        return;
      case 'text':
        this.#text(head.size);
        return;
      default:
        this.#take(head.size);
    }
  }

  /** @returns whether it is the key of an array's shape. */
  #key(): boolean {
    const head = this.#head();
    if (head.kind === 'text') {
      this.#text(head.size);
      return false;
    }
    if (head.kind !== 'bytes') throw badMessage('a key of a map is neither text nor bytes');
    const key = this.#take(head.size);
    return key.length === SHAPE_KEY.length && key.every((byte, i) => byte === SHAPE_KEY[i]);
  }

  #text(size: number): void {
    if (!isUtf8(this.#take(size))) throw badMessage('a text in it is not UTF-8');
  }

  /** The msgpack specification's table of first bytes. */
  #head(): Head {
    const [first] = this.#take(1);
    const byte = first!;
    if (byte < 0x80 || byte >= 0xe0) return { kind: 'whole', size: 0 };
    if (byte < 0x90) return { kind: 'map', size: byte & 15 };
    if (byte < 0xa0) return { kind: 'list', size: byte & 15 };
    if (byte < 0xc0) return { kind: 'text', size: byte & 31 };
    if (byte === 0xc0 || byte === 0xc2 || byte === 0xc3) return { kind: 'nothing', size: 0 };
    if (byte >= 0xc4 && byte <= 0xc6) return { kind: 'bytes', size: this.#size(1 << (byte - 0xc4)) };
    if (byte === 0xca || byte === 0xcb) return { kind: 'float', size: byte === 0xca ? 4 : 8 };
    if (byte >= 0xcc && byte <= 0xd3) return { kind: 'whole', size: 1 << ((byte - 0xcc) & 3) };
    if (byte >= 0xd9 && byte <= 0xdb) return { kind: 'text', size: this.#size(1 << (byte - 0xd9)) };
    if (byte === 0xdc || byte === 0xdd) return { kind: 'list', size: this.#size(byte === 0xdc ? 2 : 4) };
    if (byte === 0xde || byte === 0xdf) return { kind: 'map', size: this.#size(byte === 0xde ? 2 : 4) };
    throw badMessage(byte === 0xc1 ? 'the byte 0xc1 means nothing' : 'it has an extension type of msgpack');
  }

  #size(width: number): number {
    this.#need(width);
    const at = this.#at;
    this.#at += width;
    return width === 1 ? this.#view.getUint8(at) : width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #take(size: number): Uint8Array {
    this.#need(size);
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  #need(size: number): void {
    if (size > this.rest) throw badMessage(`it ends after ${this.#bytes.length} bytes, in the middle of an object`);
  }
}
