import type { Redis } from 'ioredis';
import type { Tenants } from '../schemas/types.ts';
import { accept, admit, type CancelRequest, cancel } from './accepting.ts';
import type {
  AcceptAnswer,
  Acceptance,
  AdmitAnswer,
  AuditEntry,
  AuditHead,
  AuditTail,
  BeginAnswer,
  Beginning,
  CancelAnswer,
  Commit,
  CommitAnswer,
  JobState,
  Offer,
  QueueDepth,
  QueueStats,
  RegisterAnswer,
  ResultAnswer,
  SweepAnswer,
  YieldAnswer,
} from './answers.ts';
import * as log from './audit-log.ts';
import { BLOB_TTL_MS, getBlob, putBlob, putResultBlob } from './blobs.ts';
import * as dead from './dead.ts';
import { begin, commit, yieldExecution } from './executing.ts';
import * as fleet from './fleet.ts';
import * as reading from './reading.ts';
import { QueueRedis } from './scripts.ts';
import * as tenants from './tenants.ts';

/**
 * The job protocol on one queue. Each call is one round trip unless it says otherwise, and may be repeated: a call whose reply was
 * lost gives the same answer again. Calls throw only what Redis or the connection throws.
 *
 * The connection is the caller's, who also closes it.
 */
export class Protocol {
  readonly #queue: QueueRedis;

  /** @throws RangeError for an impossible queue name. */
  constructor(redis: Redis, queue: string) {
    this.#queue = new QueueRedis(redis, queue);
  }

  /** Accepts a job, once per tenant and id. Its blobs must have been put before. More round trips for a document above 64 KiB. */
  accept(acceptance: Acceptance): Promise<AcceptAnswer> {
    return accept(this.#queue, acceptance);
  }

  /** Whether there is room for a job of so many bytes, document and content: to be asked before large content is put. */
  admit(job: { tenant: string; id: string; bytes: number }): Promise<AdmitAnswer> {
    return admit(this.#queue, job);
  }

  /** Asks for the end of a job: a waiting one never begins, a running one is killed by its worker. */
  cancel(request: CancelRequest): Promise<CancelAnswer> {
    return cancel(this.#queue, request);
  }

  /** Whether a delivered job may run; if so, counts the execution. Sent before this returns, so that audit records keep their order. */
  begin(beginning: Beginning): Promise<BeginAnswer> {
    return begin(this.#queue, beginning);
  }

  /** Ends a job with its one result. Sent before this returns, so that audit records keep their order. */
  commit(result: Commit): Promise<CommitAnswer> {
    return commit(this.#queue, result);
  }

  /** Says that an execution has ended without a result, before its job goes back to the queue: it does not count as one that never ended. */
  yield(execution: { uid: string; epoch: number }): Promise<YieldAnswer> {
    return yieldExecution(this.#queue, execution);
  }

  /**
   * The first word of a worker. Until a worker is registered, nothing is released to BullMQ. The configuration's word on tenants
   * replaces what a worker said before; null leaves it.
   */
  register(offer: Offer, said: Tenants | null = null): Promise<RegisterAnswer> {
    return fleet.register(this.#queue, offer, said);
  }

  /** Says that a registered worker lives; at least three times per `ttlMs`. Returns uids for `addReleased`. */
  heartbeat(offer: Offer): Promise<string[]> {
    return fleet.heartbeat(this.#queue, offer);
  }

  /** Takes an offer back, unless a later start of the same instance has registered. */
  deregister(offer: { instance: string; bootId: string }): Promise<void> {
    return fleet.deregister(this.#queue, offer);
  }

  /** Releases what the slots have room for. Returns uids for `addReleased`. */
  release(): Promise<string[]> {
    return fleet.release(this.#queue);
  }

  /** Finds what crashes left behind. The caller adds the releases and commits the endings. */
  sweep(limits: fleet.SweepLimits = fleet.SWEEP_LIMITS): Promise<SweepAnswer> {
    return fleet.sweep(this.#queue, limits);
  }

  /**
   * Says what holds for a tenant (or `EVERY_TENANT`, `ALL_TENANTS`) from now on, above the configuration, until it is unsaid. What is
   * left out stays. Workers hear of it and release at once.
   */
  limitTenant(name: string, words: tenants.LimitWords): Promise<tenants.LimitAnswer> {
    return tenants.limitTenant(this.#queue, name, words);
  }

  /** What holds for a tenant (or `EVERY_TENANT`, `ALL_TENANTS`), who said it, and what it has in the queue. */
  readTenant(name: string): Promise<tenants.TenantStanding> {
    return tenants.readTenant(this.#queue, name);
  }

  /** Tenants of which something is said or that have jobs waiting, by name; the first 1,000. */
  listTenants(): Promise<string[]> {
    return tenants.listTenants(this.#queue);
  }

  /** A job by its uid; null when it is unknown or its tombstone has gone. */
  peek(uid: string): Promise<JobState | null> {
    return reading.peek(this.#queue, uid);
  }

  /** The uid of the job accepted under an id; null when there is none. */
  lookup(tenant: string, id: string): Promise<string | null> {
    return reading.lookup(this.#queue, tenant, id);
  }

  /** A job by its id; null when it is unknown. Two round trips. */
  readState(tenant: string, id: string): Promise<JobState | null> {
    return reading.readState(this.#queue, tenant, id);
  }

  /** The result of a job. The reader compares the bytes with the hash. */
  readResult(uid: string): Promise<ResultAnswer> {
    return reading.readResult(this.#queue, uid);
  }

  /** Of these jobs, those that have ended or are unknown. */
  findEnded(uids: readonly string[]): Promise<string[]> {
    return reading.findEnded(this.#queue, uids);
  }

  /** How many workers are alive. Two round trips. */
  countWorkers(): Promise<number> {
    return reading.countWorkers(this.#queue);
  }

  /** How deep the queue is. One round trip. */
  depth(): Promise<QueueDepth> {
    return reading.readDepth(this.#queue);
  }

  /** Depth, workers and tenants of the queue. Several round trips. */
  stats(): Promise<QueueStats> {
    return reading.readStats(this.#queue);
  }

  /** All dead letters. Two round trips. */
  listDead(): Promise<dead.DeadLetters> {
    return dead.listDead(this.#queue);
  }

  /** One dead letter; null when the job is none (any more). Two round trips. */
  findDead(uid: string): Promise<dead.DeadLetter | null> {
    return dead.findDead(this.#queue, uid);
  }

  /** Why a job is no dead letter (any more). */
  explainNoDead(uid: string): Promise<{ why: dead.LetterGone; retryId: string | null }> {
    return dead.explainNoDead(this.#queue, uid);
  }

  /** The document of a job that has not ended, or is a dead letter; null when it is gone or altered. Up to three round trips. */
  readDocument(uid: string): Promise<Uint8Array | null> {
    return dead.readDocument(this.#queue, uid);
  }

  /** What was given as the signature of a job's document, unchecked; empty when nothing was. */
  readSignature(uid: string): Promise<string> {
    return dead.readSignature(this.#queue, uid);
  }

  /** Names the retry of a dead letter; the same names again until it is accepted under them and the letter is buried. */
  nameRetry(of: {
    letter: Pick<dead.DeadLetter, 'uid' | 'id' | 'retryOf'>;
    newUid: string;
  }): Promise<dead.RetryAnswer> {
    return dead.nameRetry(this.#queue, of);
  }

  /** Takes a dead letter away; its result stays. False when it is none (any more). */
  bury(uid: string, why: 'purged' | 'retried'): Promise<boolean> {
    return dead.bury(this.#queue, uid, why);
  }

  /** Stores content, a round trip per 512 KiB, and returns its reference `sha256:…`. It lives for at least `ttlMs`. */
  putBlob(tenant: string, bytes: Uint8Array, ttlMs = BLOB_TTL_MS): Promise<string> {
    return putBlob(this.#queue, { tenant, bytes, ttlMs });
  }

  /** As `putBlob`, and a full Redis takes it: for content of a result, written before the commit. */
  putResultBlob(tenant: string, bytes: Uint8Array, ttlMs: number): Promise<string> {
    return putResultBlob(this.#queue, { tenant, bytes, ttlMs });
  }

  /**
   * Content by its reference; null when it isn't there.
   * @throws BlobCorruptError when it was changed in Redis.
   */
  getBlob(tenant: string, reference: string): Promise<Uint8Array | null> {
    return getBlob(this.#queue, tenant, reference);
  }

  /** Appends records that belong to no job (boot, close). Sent before this returns. */
  appendAudit(records: AuditEntry[]): Promise<log.AppendAnswer> {
    return log.appendRecords(this.#queue, records);
  }

  /** The last record of a worker's audit log. */
  readAuditHead(instance: string): Promise<AuditHead> {
    return log.readHead(this.#queue, instance);
  }

  /** The last record of a worker's audit log, with the verdicts of those before: for its writer. Two round trips. */
  readAuditTail(instance: string): Promise<AuditTail> {
    return log.readTail(this.#queue, instance);
  }

  /** The last records of several logs at one moment. */
  readAuditHeads(logs: readonly string[]): Promise<Map<string, AuditHead>> {
    return log.readHeads(this.#queue, logs);
  }

  /** Names of all audit logs of the queue. */
  listAuditLogs(): Promise<string[]> {
    return log.listLogs(this.#queue);
  }

  /** Records after `afterSeq` in order, at most `limit`. */
  readAudit(range: { log: string; afterSeq: number; limit: number }): Promise<log.StoredRecord[]> {
    return log.readRecords(this.#queue, range);
  }

  /** Removes exported records up to `upToSeq`, but never the latest 1,000. Returns how many. A round trip per 10,000, and two. */
  trimAudit(range: { log: string; upToSeq: number }): Promise<number> {
    return log.trimRecords(this.#queue, range);
  }
}
