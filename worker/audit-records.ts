// What a worker writes into its audit log about a job.

import { createHash, randomBytes } from 'node:crypto';
import type { AuditEvent } from '../protocol/index.ts';
import type { Finish } from './finish.ts';

/** What the log says of an acceptance: the producer has no log of its own, so the worker tells it. */
export interface AcceptanceFacts {
  id: string;
  documentSha256: string;
  acceptedAtMs: number;
}

/** The records of one worker instance. */
export class AuditRecords {
  readonly #instance: string;

  constructor(instance: string) {
    this.#instance = instance;
  }

  boot(bootId: string, previousSeq: number): AuditEvent {
    const body = { instance: this.#instance, bootId, previousSeq };
    return { actor: this.#actor, event: 'boot', tenant: null, uid: null, epoch: 0, body };
  }

  accepted(job: { uid: string; tenant: string }, { id, documentSha256, acceptedAtMs }: AcceptanceFacts): AuditEvent {
    const body = { id, ...salted(documentSha256), acceptedAtMs };
    return { actor: this.#actor, event: 'accepted', tenant: job.tenant, uid: job.uid, epoch: 0, body };
  }

  started({ uid, tenant, epoch }: { uid: string; tenant: string; epoch: number }, attempts: number): AuditEvent {
    return { actor: this.#actor, event: 'started', tenant, uid, epoch, body: { attempts, worker: this.#instance } };
  }

  finished({ uid, tenant, epoch, outcome, resultSha256, policySha256, layers, ...rest }: Finish): AuditEvent {
    // A result that an earlier version left on disk says neither.
    const { backend = null, refusedBy = null } = rest;
    const body = { outcomeKind: outcome, resultSha256, policySha256, layers, backend, refusedBy };
    return { actor: this.#actor, event: 'finished', tenant, uid, epoch, body };
  }

  close(): AuditEvent {
    return { actor: this.#actor, event: 'close', tenant: null, uid: null, epoch: 0, body: {} };
  }

  get #actor(): string {
    return `worker:${this.#instance}`;
  }
}

const SALT_BYTES = 16;

/** The log outlives documents: their hashes say only to who has the document that it was this one. */
function salted(documentSha256: string): { documentSalt: string; documentSha256: string } {
  const salt = randomBytes(SALT_BYTES);
  const hash = createHash('sha256').update(salt).update(Buffer.from(documentSha256, 'hex')).digest('hex');
  return { documentSalt: salt.toString('hex'), documentSha256: hash };
}
