import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { InputError } from '../../core/errors.js';

/** What rosbag2 writes beside the files of a bag; only what decides how they are read. */
const metadataSchema = z.object({
  rosbag2_bagfile_information: z.object({
    storage_identifier: z.string().optional(),
    compression_format: z.string().nullish(),
    compression_mode: z.string().nullish(),
  }),
});

/** A metadata.yaml lists topics and files; this is a thousand times what a large bag needs, and is parsed within a second. */
const MOST_METADATA_BYTES = 4 * 2 ** 20;

/** Formats in which whole files are packed, by how they start, with the command that unpacks them. */
const PACKED_FILES = [
  { name: 'zstd', magic: '28b52ffd', command: 'zstd -d' },
  { name: 'lz4', magic: '04224d18', command: 'lz4 -d' },
  { name: 'gzip', magic: '1f8b', command: 'gunzip -k' },
  { name: 'bzip2', magic: '425a68', command: 'bunzip2 -k' },
  { name: 'xz', magic: 'fd377a585a00', command: 'unxz -k' },
] as const;

/**
 * The MCAP files of a recording, in order: the file itself, or those of a rosbag2 directory.
 * @throws InputError `mcap.no-file`; `mcap.file-compression` for files that are packed as a whole, with the command that unpacks them;
 * `mcap.message-compression` for messages that are packed in another format than zstd.
 */
export async function bagFiles(location: string): Promise<readonly string[]> {
  if (!(await stat(location)).isDirectory()) {
    await refusePacked(location);
    return [location];
  }
  const names = (await readdir(location)).sort(byNumberedName);
  const files = names.filter((name) => name.endsWith('.mcap'));
  const packed = names.filter((name) => /\.mcap\.\w+$/.test(name) && !files.includes(name.replace(/\.\w+$/, '')));
  if (packed.length > 0) await refusePacked(path.join(location, packed[0]!));
  if (files.length === 0) {
    throw new InputError({
      code: 'mcap.no-file',
      message: `the directory ${location} holds no .mcap file, and no clip.json`,
      remedy:
        'give a rosbag2 directory recorded with "ros2 bag record -s mcap"; convert sqlite3 bags with "ros2 bag convert"',
    });
  }
  await checkMetadata(location);
  return files.map((name) => path.join(location, name));
}

async function refusePacked(file: string): Promise<void> {
  const start = await firstBytes(file);
  const format = PACKED_FILES.find(({ magic }) => start.startsWith(magic));
  if (!format) return;
  throw new InputError({
    code: 'mcap.file-compression',
    message: `${file} is compressed as a whole with ${format.name}, so it cannot be read in parts`,
    remedy: `unpack it with: ${format.command} ${file}`,
  });
}

async function firstBytes(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.subarray(0, bytesRead).toString('hex');
  } finally {
    await handle.close();
  }
}

async function checkMetadata(location: string): Promise<void> {
  const file = path.join(location, 'metadata.yaml');
  const facts = await stat(file).catch(() => null);
  // Files copied without it can be read all the same: they say themselves what is in them.
  if (!facts?.isFile() || facts.size > MOST_METADATA_BYTES) return;
  const parsed = metadataSchema.safeParse(yamlOf(await readFile(file, 'utf8')));
  if (!parsed.success) return;
  const { compression_format: format, compression_mode: mode } = parsed.data.rosbag2_bagfile_information;
  if (mode?.toUpperCase() === 'MESSAGE' && format && format !== 'zstd') {
    throw new InputError({
      code: 'mcap.message-compression',
      message: `the messages of ${location} are compressed one by one with ${format}, which is not known (known: zstd)`,
      remedy: `write the bag again without compression: ros2 bag convert -i ${location} -o OPTIONS.yaml`,
    });
  }
}

/** Undefined for a text that is no YAML: what it would say is then left to the files. */
function yamlOf(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100 }) as unknown;
  } catch {
    return undefined;
  }
}

/** rosbag2 numbers its files name_0, name_1, ... name_10. */
function byNumberedName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
