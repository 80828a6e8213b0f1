// How Redis is laid out: every key of a queue begins with `bp:{QUEUE:0}:`, so that all lie in one cluster slot.

const QUEUE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SHARD = 0;

/** The name of the BullMQ queue below {@link bullPrefix}. */
export const BULL_QUEUE_NAME = 'jobs';

/** Names of the keys and channels of one queue. Arguments are used as they are: validate at the door. */
export interface Keys {
  /** `bp:{QUEUE:0}:`, what all of them begin with. */
  readonly prefix: string;
  id(tenant: string, id: string): string;
  job(uid: string): string;
  /** Chunk `n` of a document that is too big for the job's hash. */
  document(uid: string, n: number): string;
  result(uid: string): string;
  blob(tenant: string, sha256: string, n: number): string;
  pending(tenant: string): string;
  running(tenant: string): string;
  /** What is said of a tenant; also of `*` and `+`. */
  tenant(tenant: string): string;
  readonly tenants: string;
  readonly queuedBytes: string;
  readonly pace: string;
  readonly ready: string;
  readonly held: string;
  readonly finish: string;
  readonly V: string;
  readonly inflight: string;
  readonly due: string;
  readonly arrived: string;
  readonly dead: string;
  readonly deadBytes: string;
  readonly deadTotals: string;
  readonly workers: string;
  readonly slots: string;
  worker(instance: string): string;
  audit(log: string): string;
  auditHead(log: string): string;
  readonly auditLogs: string;
  /** Channel: a job has ended. */
  done(uid: string): string;
  /** Channel: uids that this worker instance shall kill, because they were cancelled. */
  cancelled(instance: string): string;
  /** Channel: something waits for a sweep; whoever hears it sweeps at once. */
  readonly sweep: string;
}

/**
 * Keys of a queue.
 * @throws RangeError when the name isn't 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
 */
export function keysOf(queue: string): Keys {
  const prefix = prefixOf(queue);
  return {
    prefix,
    id: (tenant, id) => `${prefix}id:${tenant}:${id}`,
    job: (uid) => `${prefix}job:${uid}`,
    document: (uid, n) => `${prefix}document:${uid}:${n}`,
    result: (uid) => `${prefix}result:${uid}`,
    blob: (tenant, sha256, n) => `${prefix}blob:${tenant}:${sha256}:${n}`,
    pending: (tenant) => `${prefix}pending:${tenant}`,
    running: (tenant) => `${prefix}running:${tenant}`,
    tenant: (tenant) => `${prefix}tenant:${tenant}`,
    tenants: `${prefix}tenants`,
    queuedBytes: `${prefix}queued-bytes`,
    pace: `${prefix}pace`,
    ready: `${prefix}ready`,
    held: `${prefix}held`,
    finish: `${prefix}finish`,
    V: `${prefix}V`,
    inflight: `${prefix}inflight`,
    due: `${prefix}due`,
    arrived: `${prefix}arrived`,
    dead: `${prefix}dead`,
    deadBytes: `${prefix}dead-bytes`,
    deadTotals: `${prefix}dead-totals`,
    workers: `${prefix}workers`,
    slots: `${prefix}slots`,
    worker: (instance) => `${prefix}worker:${instance}`,
    audit: (log) => `${prefix}audit:${log}`,
    auditHead: (log) => `${prefix}audit-head:${log}`,
    auditLogs: `${prefix}audit-logs`,
    done: (uid) => `${prefix}done:${uid}`,
    cancelled: (instance) => `${prefix}cancel:${instance}`,
    sweep: `${prefix}sweep`,
  };
}

/** BullMQ's `prefix` option for a queue: in the same cluster slot as our own keys. */
export function bullPrefix(queue: string): string {
  return `${prefixOf(queue)}bull`;
}

function prefixOf(queue: string): string {
  if (!QUEUE_NAME.test(queue)) {
    throw new RangeError(`queue name ${JSON.stringify(queue)} must match ${QUEUE_NAME.source}`);
  }
  return `bp:{${queue}:${SHARD}}:`;
}
