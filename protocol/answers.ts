// What goes into the protocol's calls and what comes out. Answers are values; only Redis failing throws.

import type { AuditVerdict, OutcomeKind, ToldVerdict } from '../schemas/types.ts';
import type { DeadReason } from './dead.ts';

/** A record for a worker's audit log, sealed: made by `AuditChain`. */
export interface AuditEntry {
  /** The log: the name of the worker instance. All records of a call have the same. */
  log: string;
  /** Place in the log, from 1. */
  seq: number;
  /** SHA-256 (hex) of the record before; 64 zeros for the first. */
  prev: string;
  /** SHA-256 (hex) of `bullpen-audit-v1\0` and the bytes. */
  sha256: string;
  /** The record as RFC 8785 bytes. */
  bytes: Uint8Array;
  /** Called when Redis has it, with the verdict that it keeps beside it. */
  onStored?: (verdict: AuditVerdict) => void;
}

/** The last record of a log: `{ seq: 0, sha256: 64 zeros }` for an empty one. */
export interface AuditHead {
  seq: number;
  sha256: string;
}

/** The end of a log, with the verdicts of its latest records. */
export interface AuditTail extends AuditHead {
  verdicts?: ToldVerdict[];
}

/** An audit record did not follow the head; nothing was changed. Read the head and build the records anew. */
export interface GapAnswer {
  answer: 'gap';
  head: AuditHead;
}

export interface Acceptance {
  uid: string;
  tenant: string;
  id: string;
  /** The job document, ≤ 2 MiB; above 64 KiB it is stored in chunks beside the job. */
  document: Uint8Array;
  /** SHA-256 (hex) of the document. */
  sha256: string;
  /** Its signature by `signJob`. Default: none. */
  signature?: string;
  /** How many times user code may begin. 1 to 10. */
  attempts: number;
  /** 0 to 9 within the tenant, lower first. */
  priority: number;
  /** Not begun by then: expired. 1 ms to 7 days. */
  expiresInMs: number;
  /** Bytes of the content beside the document that it refers to: they count against the tenant's queued bytes. Default: none. */
  contentBytes?: number;
  /** Where the caller's trace goes on, as a W3C `traceparent`. Beside the document, so that it changes neither its hash nor its signature. */
  trace?: string | null;
}

/** What can refuse a job, in the order in which it is asked. */
export type QuotaName =
  | 'tenant-queued-jobs'
  | 'tenant-queued-bytes'
  | 'total-queued-jobs'
  | 'total-queued-bytes'
  | 'redis-memory';

export type AcceptAnswer =
  /** Accepted (or it was by this very uid: a reply was lost). `releases` are for {@link addReleased}. */
  | { answer: 'created'; uid: string; releases: string[] }
  /** The same document was accepted before, under this uid. */
  | { answer: 'exists'; uid: string; state: JobPhase }
  /** Another document has this id. */
  | { answer: 'conflict'; uid: string }
  | QuotaAnswer;

/** Refused for now. `limit` in jobs or bytes; of `redis-memory`, `maxmemory`. `retryAfterMs` 100 to 60,000, from how fast jobs leave. */
export type QuotaAnswer = { answer: 'quota'; quota: QuotaName; limit: number; retryAfterMs: number };

/** Whether there is room for a job. */
export type AdmitAnswer = { answer: 'room' } | QuotaAnswer;

export interface Beginning {
  uid: string;
  instance: string;
  /**
   * Name of this delivery alone, for asking again after a lost reply. BullMQ's lock token is not enough: a worker's next delivery of
   * the same job may have the same one.
   */
  token: string;
  /** The epoch this begin will make, as the records name it: that of `peek` + 1. */
  expectedEpoch: number;
  /** 0 to 2 audit records (accepted, started); they are stored whatever the answer, except `gap`. */
  records: AuditEntry[];
}

export type BeginAnswer =
  /** Run it. The same delivery that asks again (a lost reply) gets the same epoch again. */
  | {
      answer: 'run';
      document: Uint8Array;
      /** SHA-256 (hex) of the document as it was accepted. The bytes have been checked against it. */
      sha256: string;
      /** What was given as its signature, unchecked; empty when nothing was. */
      signature: string;
      epoch: number;
      tenant: string;
      id: string;
      attempts: number;
      /** From acceptance to this begin, by the clock of Redis. */
      queuedUs: number;
      /** What was accepted as `trace`, or whatever somebody wrote there; null when there is none. */
      trace: string | null;
      acceptedAtMs: number;
    }
  | { answer: 'final'; outcome: OutcomeKind }
  /** Cancelled by its caller or an operator: commit that, with this epoch. */
  | { answer: 'cancelled'; by: CancelledBy; epoch: number; tenant: string; id: string }
  /** Commit `expired`, with epoch 0. */
  | { answer: 'expired'; epoch: number; tenant: string; id: string }
  /** Its attempts are used up by executions that never came back: commit `worker-lost`, with this epoch. */
  | { answer: 'lost'; epoch: number; tenant: string; id: string }
  /** Too many executions began and never ended: commit `worker-lost`, with this epoch, as a dead letter of the reason `poison`. */
  | { answer: 'poison'; epoch: number; tenant: string; id: string }
  /** The epoch is not the expected one any more: peek again. */
  | { answer: 'moved'; epoch: number }
  /** No such job: its tombstone has gone, or it never was. */
  | { answer: 'gone' }
  /** The stored document is not what was accepted: commit `failed`, with this epoch. */
  | { answer: 'corrupt'; epoch: number; tenant: string; id: string }
  | GapAnswer;

export type CancelledBy = 'caller' | 'operator';

export interface Commit {
  uid: string;
  /** The epoch that `begin` gave; 0 for a job that never began. */
  epoch: number;
  /** The result document. Streams and artifacts above 64 KiB belong into blobs. */
  result: Uint8Array;
  /** SHA-256 (hex) of the result. */
  resultSha256: string;
  outcome: OutcomeKind;
  /** Set for dead letters (`worker-lost`, `failed`): the document stays as long as the tombstone, within the bounds of dead letters. */
  dead: DeadReason | null;
  resultTtlMs: number;
  tombstoneTtlMs: number;
  /** 0 to 2 audit records (accepted if it never began, finished); stored whatever the answer, except `gap`. */
  records: AuditEntry[];
}

export type CommitAnswer =
  /** `dropped`: older dead letters that lost their document to this one. */
  | { answer: 'ok'; releases: string[]; dropped: string[] }
  /** It has a result already; `same` when it is this one (a lost reply). */
  | { answer: 'already'; same: boolean; outcome: OutcomeKind }
  /** A later execution has begun: this result counts for nothing. */
  | { answer: 'fenced'; epoch: number }
  | { answer: 'gone' }
  | GapAnswer;

export type YieldAnswer =
  | { answer: 'yielded' }
  /** A later execution has begun. */
  | { answer: 'fenced'; epoch: number }
  | { answer: 'gone' };

export type CancelAnswer =
  | { answer: 'requested'; uid: string; state: 'waiting' | 'running' }
  | { answer: 'final'; uid: string; outcome: OutcomeKind }
  | { answer: 'unknown' };

/** What a live worker says of itself. */
export interface Offer {
  /** Its leased name: 1 to 64 of `A-Z a-z 0-9 . _ -`. */
  instance: string;
  /** Random name of this start of the worker (`newUid()`): tells it from an earlier one of the same instance name. */
  bootId: string;
  /** Jobs that it runs at once. */
  slots: number;
  /** SHA-256 (hex) of what must be alike in all workers of a queue (runtimes, backends, ceilings, policies). */
  digest: string;
  /** What is offered, as JSON text, for people to read. ≤ 64 KiB. */
  offer: string;
  /** The offer counts for this long after each heartbeat. Use the lock's duration. */
  ttlMs: number;
  /** True: start even though another live worker's digest differs. */
  mixed: boolean;
}

export type RegisterAnswer =
  | { answer: 'registered'; releases: string[] }
  /** A live worker offers something else; nothing was registered. */
  | { answer: 'differs'; instance: string };

/** What a sweep found. All of it is safe to do twice, by any worker. */
export interface SweepAnswer {
  /** For {@link addReleased}: newly released, or released and then forgotten by BullMQ. */
  releases: string[];
  /** To be committed: waiting jobs that were cancelled or have expired, begun ones whose worker is gone for good. */
  endings: Ending[];
}

export interface Ending {
  uid: string;
  tenant: string;
  id: string;
  /** For the commit; 0 if it never began. */
  epoch: number;
  why: 'cancelled' | 'expired' | 'lost' | 'poison';
  /** Set when it was cancelled. */
  by: CancelledBy | null;
  /** For the audit record `accepted` of a job that never began. */
  documentSha256: string;
  acceptedAtMs: number;
}

export type JobPhase = 'waiting' | 'running' | 'final';

/** A job as Redis knows it; the tombstone (final) has no document. */
export interface JobState {
  uid: string;
  tenant: string;
  id: string;
  state: JobPhase;
  /** Executions begun so far. */
  epoch: number;
  /** Of these, those of which no end is known; the one that runs is among them. */
  unended: number;
  attempts: number;
  priority: number;
  acceptedAtMs: number;
  /** When the latest execution began; null if none has. */
  startedAtMs: number | null;
  finishedAtMs: number | null;
  outcome: OutcomeKind | null;
  cancelRequested: boolean;
  /** Instance that began it last. */
  worker: string | null;
  /** The id of the dead letter that it retries; null if it retries none. */
  retryOf: string | null;
  /** SHA-256 (hex) of the document as it was accepted. */
  documentSha256: string;
}

export type ResultAnswer =
  | {
      answer: 'result';
      bytes: Uint8Array;
      sha256: string;
      audit: { log: string; seq: number } | null;
      /** As with `begin`. */
      trace: string | null;
    }
  | { answer: 'pending' }
  /** Its result's time is over; only the outcome is known. */
  | { answer: 'expired'; outcome: OutcomeKind }
  | { answer: 'unknown' };

/** How deep a queue is. */
export interface QueueDepth {
  /** Accepted and not begun. */
  waiting: number;
  /** Of those, handed to BullMQ. */
  released: number;
  /** Begun and not ended. */
  running: number;
  /** Dead letters that are kept. */
  dead: number;
  /** Dead letters that lost their document because newer ones needed the room. */
  deadDropped: number;
  /** How long ago, by the clock of Redis, the oldest of the waiting was accepted; null when none waits. */
  oldestWaitingMs: number | null;
}

export interface QueueStats extends QueueDepth {
  /** Sum over live workers. */
  slots: number;
  workers: { instance: string; slots: number; digest: string; offer: string; heartbeatAtMs: number }[];
  /** Tenants with waiting jobs: those to be served, the next one first, then those at their cap; at most 100. */
  tenants: { tenant: string; waiting: number; running: number }[];
  /** `maxBytes` 0: no limit. */
  memory: { usedBytes: number; maxBytes: number };
}
