import type { ChunkContent, RawMessage } from './chunk-reader.js';
import type { ChunkEntry } from './chunk-table.js';

export interface MergedMessage {
  readonly chunk: ChunkEntry;
  readonly message: RawMessage;
}

/** A place in a loaded chunk. */
interface Cursor {
  readonly chunk: ChunkEntry;
  readonly messages: readonly RawMessage[];
  next: number;
}

/**
 * Messages of many chunks by log time, ties in file order: a chunk is loaded when the next message could be in it, and freed when it is used up.
 * @param load gives null for a chunk that cannot be used.
 */
export async function* mergeChunks(
  chunks: readonly ChunkEntry[],
  load: (chunk: ChunkEntry) => Promise<ChunkContent | null>,
): AsyncGenerator<MergedMessage> {
  const waiting = [...chunks].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.order - b.order));
  const active: Cursor[] = [];
  // The next chunk is read from disk while the present one is consumed.
  let ahead: Promise<ChunkContent | null> | undefined;
  try {
    for (let index = 0; index < waiting.length || active.length > 0;) {
      const first = earliest(active);
      const chunk = waiting[index];
      if (chunk && (!first || chunk.start <= first.messages[first.next]!.logTime)) {
        const content = await (ahead ?? load(chunk));
        index++;
        ahead = waiting[index] && load(waiting[index]!);
        // Its failure is met when it is awaited; until then it must not count as unhandled.
        ahead?.catch(() => undefined);
        if (content && content.messages.length > 0) active.push({ chunk, messages: content.messages, next: 0 });
        continue;
      }
      if (!first) continue;
      yield { chunk: first.chunk, message: first.messages[first.next]! };
      if (++first.next === first.messages.length) active.splice(active.indexOf(first), 1);
    }
  } finally {
    // Whoever stops early may close the files next: a read under way must have ended by then.
    await ahead?.catch(() => undefined);
  }
}

/** Few chunks overlap at a time, so a plain search is enough. Equal log times go by file order. */
function earliest(active: readonly Cursor[]): Cursor | undefined {
  let best: Cursor | undefined;
  for (const cursor of active) if (!best || isBefore(cursor, best)) best = cursor;
  return best;
}

function isBefore(a: Cursor, b: Cursor): boolean {
  const timeA = a.messages[a.next]!.logTime;
  const timeB = b.messages[b.next]!.logTime;
  if (timeA !== timeB) return timeA < timeB;
  return a.chunk.file === b.chunk.file ? a.chunk.order < b.chunk.order : a.chunk.file < b.chunk.file;
}
