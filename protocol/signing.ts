// Signed jobs: what a producer with a key says of a document, so that a worker with the same key sees any change in Redis.

import { createHmac, timingSafeEqual } from 'node:crypto';

const CONTEXT = 'bullpen-job-v1';
const KEY = /^[!-~]{32,256}$/;
const KEYS_MAX = 4;
const SIGNATURE = /^[0-9a-f]{64}$/;

/** Keys in use: the first signs, each verifies, so that a new one can be put in before the old one goes. */
export type SigningKeys = readonly [string, ...string[]];

/** What a signature is of: the document's exact bytes, and the job that it was accepted as. */
export interface SignedJob {
  queue: string;
  tenant: string;
  uid: string;
  document: Uint8Array;
}

/** Keys from a text with one a line; null unless there are 1 to 4, each of 32 to 256 printable ASCII characters. */
export function parseSigningKeys(text: string): SigningKeys | null {
  const [first, ...others] = text.split(/\r?\n/);
  if (first === undefined || others.length >= KEYS_MAX) return null;
  return [first, ...others].every((key) => KEY.test(key)) ? [first, ...others] : null;
}

/** HMAC-SHA256 in 64 hexadecimal digits, over names that hold no NUL and then the document. */
export function signJob(key: string, { queue, tenant, uid, document }: SignedJob): string {
  const named = `${CONTEXT}\0${queue}\0${tenant}\0${uid}\0`;
  return createHmac('sha256', key).update(named).update(document).digest('hex');
}

/** Whether one of the keys has signed this job. */
export function isSignedBy(keys: SigningKeys, job: SignedJob, signature: string): boolean {
  if (!SIGNATURE.test(signature)) return false;
  const given = Buffer.from(signature, 'hex');
  return keys.some((key) => timingSafeEqual(given, Buffer.from(signJob(key, job), 'hex')));
}
