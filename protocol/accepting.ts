import type { OutcomeKind } from '../schemas/types.ts';
import type {
  AcceptAnswer,
  Acceptance,
  AdmitAnswer,
  CancelAnswer,
  CancelledBy,
  JobPhase,
  QuotaAnswer,
  QuotaName,
} from './answers.ts';
import { chunksOf, INLINE_MAX_BYTES, writeChunks } from './chunks.ts';
import { integerAt, type Reply, textAt, textsAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';

/** Chunks that no acceptance follows go after this time. */
const ORPHAN_TTL_MS = 3_600_000;
/** As in the script. */
const RETRY_FULL_MS = 5000;
const REASON_MAX = 1000;

export async function accept(queue: QueueRedis, a: Acceptance): Promise<AcceptAnswer> {
  try {
    const chunks = a.document.length > INLINE_MAX_BYTES ? chunksOf(a.document.length) : 0;
    if (chunks > 0) await writeDocument(queue, a);
    const document = chunks > 0 ? '' : a.document;
    const rest = [a.attempts, a.priority, a.expiresInMs, a.contentBytes ?? 0, a.trace ?? '', a.signature ?? ''];
    const reply = await queue.run('accept', [a.uid, a.tenant, a.id, a.sha256, document, chunks, ...rest]);
    return acceptAnswer(reply);
  } catch (error) {
    if (isOutOfMemory(error)) return memoryQuota(queue);
    throw error;
  }
}

/** Before large content is written: a job accepted before has room always. */
export async function admit(queue: QueueRedis, a: { tenant: string; id: string; bytes: number }): Promise<AdmitAnswer> {
  try {
    const reply = await queue.run('admit', [a.tenant, a.id, a.bytes]);
    if (textAt(reply, 0) === 'room') return { answer: 'room' };
    if (textAt(reply, 0) === 'quota') return quotaAnswer(reply);
    throw unknownAnswer('admit', reply);
  } catch (error) {
    if (isOutOfMemory(error)) return memoryQuota(queue);
    throw error;
  }
}

export interface CancelRequest {
  tenant: string;
  id: string;
  /** Default: the caller. */
  by?: CancelledBy;
  /** For people; cut after 1,000 characters. */
  reason?: string;
}

export async function cancel(queue: QueueRedis, c: CancelRequest): Promise<CancelAnswer> {
  const reply = await queue.run('cancel', [c.tenant, c.id, c.by ?? 'caller', (c.reason ?? '').slice(0, REASON_MAX)]);
  switch (textAt(reply, 0)) {
    case 'requested':
      return { answer: 'requested', uid: textAt(reply, 1), state: textAt(reply, 2) as 'waiting' | 'running' };
    case 'final':
      return { answer: 'final', uid: textAt(reply, 1), outcome: textAt(reply, 2) as OutcomeKind };
    case 'unknown':
      return { answer: 'unknown' };
    default:
      throw unknownAnswer('cancel', reply);
  }
}

function acceptAnswer(reply: Reply): AcceptAnswer {
  switch (textAt(reply, 0)) {
    case 'created':
      return { answer: 'created', uid: textAt(reply, 1), releases: textsAt(reply, 2) };
    case 'exists':
      return { answer: 'exists', uid: textAt(reply, 1), state: textAt(reply, 2) as JobPhase };
    case 'conflict':
      return { answer: 'conflict', uid: textAt(reply, 1) };
    case 'quota':
      return quotaAnswer(reply);
    default:
      throw unknownAnswer('accept', reply);
  }
}

function quotaAnswer(reply: Reply): QuotaAnswer {
  const quota = textAt(reply, 1) as QuotaName;
  return { answer: 'quota', quota, limit: integerAt(reply, 2), retryAfterMs: integerAt(reply, 3) };
}

function writeDocument({ redis, keys }: QueueRedis, { uid, document }: Acceptance): Promise<void> {
  return writeChunks(redis, { bytes: document, ttlMs: ORPHAN_TTL_MS, keyOf: (n) => keys.document(uid, n) });
}

/** Above `maxmemory` Redis itself refuses, before a script can answer. */
function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('OOM ');
}

async function memoryQuota({ redis }: QueueRedis): Promise<QuotaAnswer> {
  const limit = Number(/^maxmemory:(\d+)/m.exec(await redis.info('memory'))?.[1] ?? 0);
  return { answer: 'quota', quota: 'redis-memory', limit, retryAfterMs: RETRY_FULL_MS };
}
