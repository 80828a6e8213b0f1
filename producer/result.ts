import { createHash } from 'node:crypto';
import { BlobCorruptError } from '../protocol/index.ts';
import { readResult } from '../schemas/parse.ts';
import type { Result } from '../schemas/types.ts';
import { ResultCorruptError, ResultExpiredError } from './errors.ts';

/** The stored bytes of a result and the sha256 that the commit script kept beside them. */
export interface StoredResult {
  bytes: Uint8Array;
  sha256: string;
  /** The trace that the job was submitted in; null when it was in none. */
  trace: string | null;
}

/** Fetches what lies under a `sha256:…` reference; `null` when it is no longer kept, `BlobCorruptError` when it was changed. */
export type FetchBlob = (reference: string) => Promise<Uint8Array | null>;

/** Anything that holds content: a stream or an artifact of a result, a file or the stdin of a job. */
export interface ContentHolder {
  text?: string;
  base64?: string;
  blob?: string;
  bytes?: number;
}

/** The result with all content inline. Throws `ResultCorruptError` when any byte is not what was written, `ResultExpiredError` when a part is gone. */
export async function openResult(id: string, stored: StoredResult, fetch: FetchBlob): Promise<Result> {
  if (sha256(stored.bytes) !== stored.sha256) throw new ResultCorruptError(id, 'its sha256 differs');
  const read = readResult(stored.bytes);
  if (!read.ok) throw new ResultCorruptError(id, read.issues[0]?.message ?? 'not a result document');
  const result = read.value;
  for (const holder of holders(result)) await inline(id, result, holder, fetch);
  return result;
}

/** The bytes of any content. Throws as `openResult` does. */
export async function contentBytes(id: string, content: ContentHolder, fetch: FetchBlob): Promise<Uint8Array | null> {
  if (content.text !== undefined) return Buffer.from(content.text);
  if (content.base64 !== undefined) return Buffer.from(content.base64, 'base64');
  if (content.blob === undefined) throw new TypeError('content has none of text, base64 and blob');
  try {
    return await fetch(content.blob);
  } catch (error) {
    if (error instanceof BlobCorruptError) throw new ResultCorruptError(id, `the sha256 of ${content.blob} differs`);
    throw error;
  }
}

function holders(result: Result): ContentHolder[] {
  const streams = [result.stdout, result.stderr, result.build?.stdout, result.build?.stderr];
  return [...streams, ...result.artifacts].filter(
    (holder) => holder !== undefined && 'blob' in holder,
  ) as ContentHolder[];
}

async function inline(id: string, result: Result, holder: ContentHolder, fetch: FetchBlob): Promise<void> {
  const bytes = await contentBytes(id, holder, fetch);
  if (bytes === null) throw new ResultExpiredError(id, result.outcome.kind);
  const text = asText(bytes);
  delete holder.blob;
  if (text === null) holder.base64 = Buffer.from(bytes).toString('base64');
  else holder.text = text;
}

function asText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
