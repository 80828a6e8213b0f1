// Signed jobs: with a key of its own, a worker runs nothing that a producer with that key did not submit as it lies in Redis.

import { isSignedBy, type SigningKeys } from '../protocol/index.ts';
import type { Issue } from '../schemas/parse.ts';
import type { Job } from '../schemas/types.ts';
import type { Begun } from './begin-job.ts';

const DEFAULT_ATTEMPTS = 1;

/** What this worker asks of documents before it runs them. */
export class Seal {
  readonly #queue: string;
  readonly #keys: SigningKeys | null;

  /** Without keys nothing is asked. */
  constructor(queue: string, keys: SigningKeys | null) {
    this.#queue = queue;
    this.#keys = keys;
  }

  /** Why the document may not run as this job; null when it may. Before anything of the document is read. */
  faultOf(uid: string, { tenant, document, signature }: Begun): Issue | null {
    if (this.#keys === null) return null;
    if (signature === '') return refusal('is not signed, and this worker takes signed jobs only');
    const job = { queue: this.#queue, tenant, uid, document };
    if (isSignedBy(this.#keys, job, signature)) return null;
    return refusal(
      'has a signature of another document, job, tenant or queue, or by a key that this worker does not have',
    );
  }

  /** What else of a signed job is told by its record in Redis: it must be what the document says. Null when it is. */
  alteration({ attempts = DEFAULT_ATTEMPTS, ...names }: Job, begun: Begun): Issue | null {
    const { id = begun.id, tenant = begun.tenant } = names;
    const isSame = begun.attempts === attempts && begun.id === id && begun.tenant === tenant;
    return this.#keys === null || isSame ? null : refusal('says other attempts, id or tenant than its record');
  }
}

function refusal(what: string): Issue {
  return { path: '', rule: 'signature', message: `the document ${what}` };
}
