import { createHash } from 'node:crypto';
import { type SigningKeys, signJob } from '../protocol/index.ts';
import { type Issue, JOB_MAX_BYTES, parseJob, RUN_MAX_BYTES } from '../schemas/parse.ts';
import type { Job } from '../schemas/types.ts';
import { InvalidJobError } from './errors.ts';

/** Content above this lies in Redis as a blob beside the document. */
export const BLOB_ABOVE_BYTES = 64 * 1024;

// What the protocol must know of a document that is silent about it; the schema's defaults.
const DEFAULTS = { tenant: 'default', attempts: 1, priority: 5, expiresInMs: 600_000 };

/** A job ready to be accepted: its document as bytes, with everything large beside it. */
export interface PreparedJob {
  readonly uid: string;
  readonly id: string;
  readonly tenant: string;
  /** The document as it will be stored: UTF-8 JSON, keys sorted, at most 2 MiB. */
  readonly document: Uint8Array;
  /** Of `document`, 64 hexadecimal digits. */
  readonly sha256: string;
  /** All content that the document refers to, whether in `blobs` or stored before. */
  readonly contentBytes: number;
  /** Of document, tenant, queue and uid; empty without a key. */
  readonly signature: string;
  /** What has to be stored before the document is. */
  readonly blobs: readonly Uint8Array[];
  readonly attempts: number;
  readonly priority: number;
  readonly expiresInMs: number;
}

/** Who submits: what a document leaves open is taken from here. */
export interface Submitter {
  /** The producer's tenant: fills an absent one and refuses any other; `null` leaves the choice to the document. */
  tenant: string | null;
  /** The new job's uid; also its id when the document has none. */
  uid: string;
  /** The queue that it is submitted to. */
  queue: string;
  /** The first signs; `null`: nothing is signed. */
  signingKeys: SigningKeys | null;
}

/** Checks a job and makes its document. Pure; throws `InvalidJobError` with every issue found. */
export function prepareJob(job: Job, { tenant, uid, queue, signingKeys }: Submitter): PreparedJob {
  const named = serialise(fillNames(job, uid, tenant ?? DEFAULTS.tenant));
  const checked = parse(named, RUN_MAX_BYTES);
  if (tenant !== null && checked.tenant !== tenant) throw foreignTenant(tenant);
  const { job: light, blobs } = moveLargeContent(checked);
  const document = Buffer.from(blobs.length === 0 ? named : serialise(light));
  if (document.length > JOB_MAX_BYTES) parse(document, JOB_MAX_BYTES);
  const names = { uid, tenant: light.tenant ?? DEFAULTS.tenant };
  return {
    ...names,
    id: light.id ?? uid,
    document,
    signature: signingKeys === null ? '' : signJob(signingKeys[0], { ...names, queue, document }),
    sha256: createHash('sha256').update(document).digest('hex'),
    contentBytes: contentBytesOf(light),
    blobs,
    attempts: light.attempts ?? DEFAULTS.attempts,
    priority: light.priority ?? DEFAULTS.priority,
    expiresInMs: light.expiresInMs ?? DEFAULTS.expiresInMs,
  };
}

/** Only an object can be given names; anything else is left for the door to refuse. */
function fillNames(job: unknown, id: string, tenant: string): unknown {
  if (typeof job !== 'object' || job === null || Array.isArray(job)) return job;
  const { id: givenId = id, tenant: givenTenant = tenant } = job as Partial<Job>;
  return { ...job, id: givenId, tenant: givenTenant };
}

function parse(bytes: Uint8Array | string, maxBytes: number): Job {
  const parsed = parseJob(bytes, { maxBytes });
  if (!parsed.ok) throw new InvalidJobError(parsed.issues);
  return parsed.value;
}

/** JSON with sorted keys, so that the same job is the same document whatever the order in which it was written. */
function serialise(job: unknown): string {
  try {
    return JSON.stringify(job, sortKeys) ?? 'null';
  } catch (error) {
    throw new InvalidJobError([notJson(error)]);
  }
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  // Object.entries skips nothing that JSON.stringify would write; fromEntries defines even `__proto__`, for the door to refuse.
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function notJson(error: unknown): Issue {
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return { path: '', rule: 'json', message: `the document cannot be written as JSON: ${reason}` };
}

function foreignTenant(tenant: string): InvalidJobError {
  const message = `tenant must be ${tenant} or left out: this producer submits for no other`;
  return new InvalidJobError([{ path: 'tenant', rule: 'tenant', message }]);
}

function moveLargeContent(job: Job): { job: Job; blobs: Uint8Array[] } {
  const blobs: Uint8Array[] = [];
  const files = job.files?.map((file) => lighten(file, blobs));
  const stdin = job.stdin && lighten(job.stdin, blobs);
  return { job: { ...job, ...(files && { files }), ...(stdin && { stdin }) }, blobs };
}

function contentBytesOf({ stdin, files = [] }: Job): number {
  return [stdin, ...files].reduce((sum, content) => sum + (content?.bytes ?? 0), 0);
}

/** The same content with large text or base64 replaced by a reference to what is added to `blobs`. */
function lighten<C extends { text?: string; base64?: string }>(content: C, blobs: Uint8Array[]): C {
  const { text, base64, ...rest } = content;
  const bytes = text !== undefined ? Buffer.from(text) : Buffer.from(base64 ?? '', 'base64');
  if (bytes.length <= BLOB_ABOVE_BYTES) return content;
  blobs.push(bytes);
  const blob = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { ...rest, blob, bytes: bytes.length } as unknown as C;
}
