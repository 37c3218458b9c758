import type { FileHandle } from 'node:fs/promises';
import { InputError } from '../core/errors.js';

/** Where a member of a zip lies in the file, as it is: stored members can be used in place. */
export interface ZipMember {
  readonly name: string;
  /** Of the first byte of its content. */
  readonly offset: number;
  readonly length: number;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const NO_32 = 0xffffffff;
/** The end record without its comment, and the longest comment. */
const END_BYTES = 22;
const MOST_COMMENT = 0xffff;
/** A hundred thousand members with names of a hundred letters. */
const MOST_DIRECTORY_BYTES = 16 * 2 ** 20;

/** The members of a zip, zip64 included. @throws InputError `zip.format` for a file that is none, or a member that is compressed. */
export async function readZipDirectory(handle: FileHandle, what: string): Promise<readonly ZipMember[]> {
  const fail = (why: string): never => {
    throw new InputError({
      code: 'zip.format',
      message: `${what} is not a usable zip file: ${why}`,
      remedy: 'copy the file again',
    });
  };
  const { size } = await handle.stat();
  if (size < END_BYTES) return fail(`it has only ${size} bytes`);
  const tailLength = Math.min(size, END_BYTES + MOST_COMMENT + 20);
  const tail = await readAt(handle, size - tailLength, tailLength);
  let end = -1;
  for (let at = tail.length - END_BYTES; at >= 0 && end < 0; at--) if (tail.readUInt32LE(at) === END) end = at;
  if (end < 0) return fail('it has no end record');
  let count = tail.readUInt16LE(end + 10);
  let length = tail.readUInt32LE(end + 12);
  let start = tail.readUInt32LE(end + 16);
  if (end >= 20 && tail.readUInt32LE(end - 20) === LOCATOR_64) {
    const at = Number(tail.readBigUInt64LE(end - 12));
    if (at + 56 > size) return fail('its zip64 record lies outside the file');
    const record = await readAt(handle, at, 56);
    if (record.length < 56 || record.readUInt32LE(0) !== END_64) return fail('its zip64 record is broken');
    count = Number(record.readBigUInt64LE(32));
    length = Number(record.readBigUInt64LE(40));
    start = Number(record.readBigUInt64LE(48));
  }
  if (!(start >= 0 && length >= 0 && start + length <= size)) return fail('its directory lies outside the file');
  if (length > MOST_DIRECTORY_BYTES) return fail(`its directory has ${length} bytes`);
  const directory = await readAt(handle, start, length);
  const members: ZipMember[] = [];
  for (let at = 0; members.length < count;) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== ENTRY) return fail('its directory is broken');
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    const sizes = entrySizes(
      directory,
      at,
      directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength),
    );
    if (directory.readUInt16LE(at + 10) !== 0) return fail(`its member ${name} is compressed`);
    if (!sizes || sizes.offset + 30 > size) return fail(`its member ${name} lies outside the file`);
    const local = await readAt(handle, sizes.offset, 30);
    if (local.length < 30 || local.readUInt32LE(0) !== LOCAL)
      return fail(`its member ${name} is not where the directory says`);
    const offset = sizes.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
    if (offset + sizes.length > size) return fail(`its member ${name} is cut off`);
    members.push({ name, offset, length: sizes.length });
    at += 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
  }
  return members;
}

/** Sizes that do not fit 32 bits stand in the zip64 extra field, in a fixed order, each only if it is needed. */
function entrySizes(
  directory: Buffer,
  at: number,
  extra: Buffer,
): { readonly length: number; readonly offset: number } | null {
  const stored = directory.readUInt32LE(at + 20);
  const full = directory.readUInt32LE(at + 24);
  const start = directory.readUInt32LE(at + 42);
  for (let e = 0; e + 4 <= extra.length; e += 4 + extra.readUInt16LE(e + 2)) {
    if (extra.readUInt16LE(e) !== 1) continue;
    const needed = [full, stored, start].filter((value) => value === NO_32).length;
    if (e + 4 + 8 * needed > extra.length) return null;
    let next = e + 4;
    const take = (value: number): number => {
      if (value !== NO_32) return value;
      next += 8;
      return Number(extra.readBigUInt64LE(next - 8));
    };
    take(full);
    const length = take(stored);
    return { length, offset: take(start) };
  }
  return { length: stored, offset: start };
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
