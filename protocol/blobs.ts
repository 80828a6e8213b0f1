// Content above 64 KiB: kept beside the document that refers to it, per tenant, named by its hash.

import { createHash } from 'node:crypto';
import { cut, readChunks, writeChunks } from './chunks.ts';
import type { QueueRedis } from './scripts.ts';

const DAY_MS = 86_400_000;
const REFERENCE = /^sha256:([0-9a-f]{64})$/;

/** How long a blob lives after it was last put, unless its owner says otherwise: a job's longest wait, and a day to run. */
export const BLOB_TTL_MS = 8 * DAY_MS;

/** What lies in Redis under a blob's name does not have its hash. */
export class BlobCorruptError extends Error {
  readonly reference: string;

  constructor(reference: string) {
    super(`the content stored as ${reference} has another hash: it was changed in Redis`);
    this.name = 'BlobCorruptError';
    this.reference = reference;
  }
}

/**
 * Stores content and returns its reference, `sha256:…`. The same content again lives for at least `ttlMs` more.
 * Write it before the document that refers to it.
 */
export async function putBlob(
  { redis, keys }: QueueRedis,
  blob: { tenant: string; bytes: Uint8Array; ttlMs: number },
): Promise<string> {
  const sha256 = sha256Of(blob.bytes);
  await writeChunks(redis, { bytes: blob.bytes, ttlMs: blob.ttlMs, keyOf: (n) => keys.blob(blob.tenant, sha256, n) });
  return `sha256:${sha256}`;
}

/** As `putBlob`, in a full Redis too: for what a job that has run produced. */
export async function putResultBlob(
  queue: QueueRedis,
  blob: { tenant: string; bytes: Uint8Array; ttlMs: number },
): Promise<string> {
  const sha256 = sha256Of(blob.bytes);
  for (const [n, chunk] of cut(blob.bytes)) await queue.run('store', [blob.tenant, sha256, n, chunk, blob.ttlMs]);
  return `sha256:${sha256}`;
}

/**
 * Reads content by its reference. Null when it isn't there (its time is over, or it belongs to another tenant).
 * @throws BlobCorruptError when what is stored is not what was put.
 */
export async function getBlob({ redis, keys }: QueueRedis, tenant: string, reference: string): Promise<Buffer | null> {
  const sha256 = hashOf(reference);
  const bytes = await readChunks(redis, (n) => keys.blob(tenant, sha256, n));
  if (bytes !== null && sha256Of(bytes) !== sha256) throw new BlobCorruptError(reference);
  return bytes;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function hashOf(reference: string): string {
  const sha256 = REFERENCE.exec(reference)?.[1];
  if (sha256 === undefined) throw new RangeError('a blob reference is sha256: and 64 hexadecimal digits');
  return sha256;
}
