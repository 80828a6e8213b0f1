// Content that lies beside a document is brought into it: the native layer has no Redis.

import type { Protocol } from '../protocol/index.ts';
import type { Job } from '../schemas/types.ts';
import { failure, type OwnOutcome } from './result-document.ts';

/** Why a job can't have its inputs. */
export class InputError extends Error {
  readonly outcome: OwnOutcome;

  constructor(outcome: OwnOutcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

interface Referring {
  blob?: string;
  bytes?: number;
}

/**
 * The document with all content inline: the same bytes if it refers to nothing.
 * Throws InputError when a blob is missing, altered or not of the size that the document gives.
 */
export async function withInputs(document: Uint8Array, job: Job, { tenant, protocol }: BlobHome): Promise<Uint8Array> {
  const files = job.files ?? [];
  if (job.stdin?.blob === undefined && files.every(({ blob }) => blob === undefined)) return document;
  const resolve = <T extends Referring>(path: string, content: T) => inline(path, content, { tenant, protocol });
  const resolved: Job = { ...job };
  if (job.stdin !== undefined) resolved.stdin = await resolve('stdin', job.stdin);
  if (files.length > 0) {
    resolved.files = await Promise.all(files.map((file, index) => resolve(`files[${index}]`, file)));
  }
  return Buffer.from(JSON.stringify(resolved));
}

/** Whose blobs, and where they are. */
export interface BlobHome {
  tenant: string;
  protocol: Protocol;
}

async function inline<T extends Referring>(path: string, content: T, { tenant, protocol }: BlobHome): Promise<T> {
  const { blob, bytes, ...rest } = content;
  if (blob === undefined) return content;
  const stored = await read(path, blob, { tenant, protocol });
  if (stored.length !== bytes) {
    const message = `${path}.bytes is ${bytes}, but the blob has ${stored.length} bytes`;
    throw new InputError({ kind: 'rejected', field: `${path}.bytes`, rule: 'blob-size', message });
  }
  return { ...rest, base64: stored.toString('base64') } as unknown as T;
}

async function read(path: string, blob: string, { tenant, protocol }: BlobHome): Promise<Buffer> {
  const stored = await protocol.getBlob(tenant, blob).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'BlobCorruptError') {
      throw new InputError(failure('inputs', 'blob-corrupt', `${path}: the stored content has another hash`));
    }
    throw error;
  });
  if (stored !== null) return Buffer.from(stored);
  throw new InputError(failure('inputs', 'blob-missing', `${path}: the content is not there (any more)`));
}
