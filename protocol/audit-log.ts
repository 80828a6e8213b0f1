// Audit logs as they lie in Redis: one stream per worker instance, record SEQ under the id SEQ-0.

import type { AuditEntry, AuditHead, GapAnswer } from './answers.ts';
import { integerAt, type Reply, textAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';

/** `prev` of the first record of a log. */
export const NO_HASH = '0'.repeat(64);

/** A stored record with the verdict of the script that stored it. */
export interface StoredRecord {
  seq: number;
  sha256: string;
  bytes: Uint8Array;
  /** `run`, `ok`, `fenced`, …: what the script answered. */
  verdict: string;
}

export type AppendAnswer = { answer: 'ok' } | { answer: 'again' } | GapAnswer;

/** A script's arguments for records: log, count, then seq, prev, sha256, bytes of each. */
export function auditArguments(records: readonly AuditEntry[]): (string | number | Uint8Array)[] {
  return [records[0]?.log ?? '', records.length, ...records.flatMap((r) => [r.seq, r.prev, r.sha256, r.bytes])];
}

export function gapAnswer(reply: Reply): GapAnswer {
  return { answer: 'gap', head: { seq: integerAt(reply, 1), sha256: textAt(reply, 2) } };
}

export async function appendRecords(queue: QueueRedis, records: AuditEntry[]): Promise<AppendAnswer> {
  const reply = await queue.run('append', auditArguments(records));
  const answer = textAt(reply, 0);
  if (answer === 'gap') return gapAnswer(reply);
  if (answer === 'ok' || answer === 'again') return { answer };
  throw unknownAnswer('append', reply);
}

export async function readHead({ redis, keys }: QueueRedis, log: string): Promise<AuditHead> {
  const [seq, sha256] = await redis.hmget(keys.auditHead(log), 'seq', 'sha256');
  return { seq: Number(seq ?? 0), sha256: sha256 ?? NO_HASH };
}

export async function listLogs({ redis, keys }: QueueRedis): Promise<string[]> {
  return (await redis.smembers(keys.auditLogs)).sort();
}

/** Records after `afterSeq`, at most `limit` of them, in order. */
export async function readRecords(
  { redis, keys }: QueueRedis,
  range: { log: string; afterSeq: number; limit: number },
): Promise<StoredRecord[]> {
  const found = await redis.xrangeBuffer(keys.audit(range.log), `${range.afterSeq + 1}-0`, '+', 'COUNT', range.limit);
  return found.map(([id, fields]) => ({
    seq: Number.parseInt(id.toString('latin1'), 10),
    sha256: textAt(fields, 3),
    bytes: fields[1] ?? Buffer.alloc(0),
    verdict: textAt(fields, 5),
  }));
}

/** Removes records up to `upToSeq` after they were exported. The latest 1,000 stay: lost replies are recognised by them. */
export async function trimRecords(
  queue: QueueRedis,
  { log, upToSeq }: { log: string; upToSeq: number },
): Promise<number> {
  const head = await readHead(queue, log);
  const first = Math.min(upToSeq, head.seq - 1000) + 1;
  return first > 1 ? queue.redis.xtrim(queue.keys.audit(log), 'MINID', `${first}-0`) : 0;
}
