// Looking without changing anything: one round trip each, or two where a name must first be found.

import type { Redis } from 'ioredis';
import type { OutcomeKind } from '../schemas/types.ts';
import type { JobPhase, JobState, QueueDepth, QueueStats, ResultAnswer } from './answers.ts';
import type { QueueRedis } from './scripts.ts';

const TENANTS_SHOWN = 100;

const STATE_FIELDS = [
  'tenant',
  'id',
  'state',
  'epoch',
  'attempts',
  'priority',
  'acceptedAtUs',
  'startedAtUs',
  'finishedAtUs',
  'outcome',
  'cancelBy',
  'owner',
  'sha256',
  'ended',
  'retryOf',
] as const;

export async function lookup({ redis, keys }: QueueRedis, tenant: string, id: string): Promise<string | null> {
  return redis.get(keys.id(tenant, id));
}

export async function peek({ redis, keys }: QueueRedis, uid: string): Promise<JobState | null> {
  const values = await redis.hmget(keys.job(uid), ...STATE_FIELDS);
  const of = (name: (typeof STATE_FIELDS)[number]) => values[STATE_FIELDS.indexOf(name)] ?? null;
  const state = of('state');
  if (state === null) return null;
  return {
    uid,
    tenant: of('tenant') ?? '',
    id: of('id') ?? '',
    state: state as JobPhase,
    epoch: Number(of('epoch')),
    unended: unendedOf(of('epoch'), of('ended'), state),
    attempts: Number(of('attempts')),
    priority: Number(of('priority')),
    acceptedAtMs: toMs(of('acceptedAtUs')) ?? 0,
    startedAtMs: toMs(of('startedAtUs')),
    finishedAtMs: toMs(of('finishedAtUs')),
    outcome: of('outcome') as OutcomeKind | null,
    cancelRequested: of('cancelBy') !== null,
    worker: of('owner'),
    retryOf: of('retryOf'),
    documentSha256: of('sha256') ?? '',
  };
}

/** The end of the last one is what made the job final. */
function unendedOf(epoch: string | null, ended: string | null, state: string): number {
  const unended = Number(epoch) - Number(ended ?? 0);
  return state === 'final' ? Math.max(0, unended - 1) : unended;
}

export async function readState(queue: QueueRedis, tenant: string, id: string): Promise<JobState | null> {
  const uid = await lookup(queue, tenant, id);
  return uid === null ? null : peek(queue, uid);
}

export async function readResult({ redis, keys }: QueueRedis, uid: string): Promise<ResultAnswer> {
  // The job first: a commit between the two commands makes it pending, with the result seen or not. The other way round it would be
  // final with a result that was not there yet.
  const [job, stored] = await Promise.all([
    redis.hmget(keys.job(uid), 'state', 'outcome', 'trace'),
    redis.hmgetBuffer(keys.result(uid), 'bytes', 'sha256', 'log', 'seq'),
  ]);
  const [bytes, sha256, log, seq] = stored;
  const [state, outcome, trace] = job;
  if (bytes && sha256) {
    const audit = log && seq ? { log: log.toString(), seq: Number(seq.toString()) } : null;
    return { answer: 'result', bytes, sha256: sha256.toString(), audit, trace: trace ?? null };
  }
  if (!state) return { answer: 'unknown' };
  return state === 'final' ? { answer: 'expired', outcome: outcome as OutcomeKind } : { answer: 'pending' };
}

/** Of these jobs, those that nobody need wait for any more: ended, or unknown. One round trip. */
export async function findEnded({ redis, keys }: QueueRedis, uids: readonly string[]): Promise<string[]> {
  const pipeline = redis.pipeline();
  for (const uid of uids) pipeline.hget(keys.job(uid), 'state');
  const results = (await pipeline.exec()) ?? [];
  for (const [error] of results) if (error) throw error;
  return uids.filter((_, place) => results[place]?.[1] === null || results[place]?.[1] === 'final');
}

export async function countWorkers({ redis, keys }: QueueRedis): Promise<number> {
  return redis.zcount(keys.workers, `(${await redisNowMs(redis)}`, '+inf');
}

export async function readDepth({ redis, keys }: QueueRedis): Promise<QueueDepth> {
  const [waiting, released, inFlight, dead, deadDropped, oldest, nowMs] = await Promise.all([
    redis.zcard(keys.due),
    redis.zintercard(2, keys.due, keys.inflight),
    redis.zcard(keys.inflight),
    redis.zcard(keys.dead),
    redis.hget(keys.deadTotals, 'dropped'),
    redis.zrange(keys.arrived, '0', '0', 'WITHSCORES'),
    redisNowMs(redis),
  ]);
  const letters = { dead, deadDropped: Number(deadDropped ?? 0) };
  const arrivedAtMs = oldest[1];
  const oldestWaitingMs = arrivedAtMs === undefined ? null : Math.max(0, nowMs - Number(arrivedAtMs));
  return { waiting, released, running: inFlight - released, ...letters, oldestWaitingMs };
}

export async function readStats(queue: QueueRedis): Promise<QueueStats> {
  const [depth, memory, workers, tenants] = await Promise.all([
    readDepth(queue),
    queue.redis.info('memory'),
    readWorkers(queue),
    readTenants(queue),
  ]);
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  const memoryOf = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  const bytes = { usedBytes: memoryOf('used_memory'), maxBytes: memoryOf('maxmemory') };
  return { ...depth, slots, workers, tenants, memory: bytes };
}

async function readWorkers({ redis, keys }: QueueRedis): Promise<QueueStats['workers']> {
  const instances = await redis.zrangebyscore(keys.workers, `(${await redisNowMs(redis)}`, '+inf');
  const workers = await Promise.all(
    instances.map(async (instance) => {
      const of = await redis.hgetall(keys.worker(instance));
      const { digest = '', offer = '' } = of;
      return { instance, slots: Number(of.slots ?? 0), digest, offer, heartbeatAtMs: Number(of.heartbeatAtMs ?? 0) };
    }),
  );
  return workers.filter((worker) => worker.heartbeatAtMs > 0);
}

async function readTenants({ redis, keys }: QueueRedis): Promise<QueueStats['tenants']> {
  const ready = await redis.zrange(keys.ready, '0', `${TENANTS_SHOWN - 1}`);
  const held = await redis.srandmember(keys.held, TENANTS_SHOWN - ready.length);
  return Promise.all(
    [...ready, ...held].map(async (tenant) => ({
      tenant,
      waiting: await redis.zcard(keys.pending(tenant)),
      running: await redis.scard(keys.running(tenant)),
    })),
  );
}

async function redisNowMs(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}

function toMs(us: string | null): number | null {
  return us === null ? null : Math.floor(Number(us) / 1000);
}
