import { open, stat } from 'node:fs/promises';
import { UsageError } from './usage-error.ts';

/** Reads a file, or what is already open as an async iterable; stops one byte after `maxBytes`, so that a door can refuse the size. */
export async function readBounded(source: string | AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of typeof source === 'string' ? fileChunks(source) : source) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes + 1);
}

/** Whether the owner may execute the file. */
export async function isExecutable(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o100) !== 0;
}

/** The file's bytes as content of a document: text when it is UTF-8, else base64. */
export function asContent(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    const file = await open(path);
    yield* file.createReadStream() as AsyncIterable<Uint8Array>;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UsageError(`cannot read ${path}: ${reason}`);
  }
}
