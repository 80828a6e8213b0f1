import type { Redis } from 'ioredis';

/** A value in Redis is at most this long, so that no command holds Redis up. */
export const CHUNK_BYTES = 512 * 1024;

/** What is longer than this is kept in chunks beside the job, not in it. */
export const INLINE_MAX_BYTES = 64 * 1024;

const CHUNKS_PER_READ = 4;

/** The bytes chunk by chunk, with the place of each. */
export function* cut(bytes: Uint8Array): Generator<[n: number, chunk: Buffer]> {
  for (let n = 0; n < chunksOf(bytes.length); n++) {
    yield [n, Buffer.from(bytes.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES))];
  }
}

/** Into how many chunks this many bytes are cut; at least one. */
export function chunksOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / CHUNK_BYTES));
}

/** Writes bytes in chunks that live for at least `ttlMs`; chunks that are there already live for the longer of both times. */
export async function writeChunks(
  redis: Redis,
  { bytes, keyOf, ttlMs }: { bytes: Uint8Array; keyOf: (n: number) => string; ttlMs: number },
): Promise<void> {
  for (const [n, chunk] of cut(bytes)) {
    const key = keyOf(n);
    const lifetime = redis.multi().set(key, chunk, 'KEEPTTL').pexpire(key, ttlMs, 'NX').pexpire(key, ttlMs, 'GT');
    const results = await lifetime.exec().catch((error: unknown) => Promise.reject(reasonOf(error)));
    for (const [error] of results ?? []) if (error) throw error;
  }
}

/** Of a transaction that was refused, Redis' reason: the error itself only says that it was. */
function reasonOf(error: unknown): unknown {
  const reasons = error instanceof Error && 'previousErrors' in error ? error.previousErrors : null;
  return (Array.isArray(reasons) && reasons[0]) || error;
}

/** Reads chunks until one is short or missing. Null when the first is missing, or an error of Redis' own is thrown. */
export async function readChunks(redis: Redis, keyOf: (n: number) => string): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  for (;;) {
    const keys = Array.from({ length: CHUNKS_PER_READ }, (_, n) => keyOf(chunks.length + n));
    for (const chunk of await redis.mgetBuffer(keys)) {
      if (chunk === null) return chunks.length === 0 ? null : Buffer.concat(chunks);
      chunks.push(chunk);
      if (chunk.length < CHUNK_BYTES) return Buffer.concat(chunks);
    }
  }
}
