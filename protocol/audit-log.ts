// Audit logs as they lie in Redis: one stream per worker instance, record SEQ under the id SEQ-0.

import { NO_HASH } from '../audit/hashes.ts';
import { AUDIT_VERDICTS, type AuditVerdict, type ToldVerdict } from '../schemas/types.ts';
import type { AuditEntry, AuditHead, AuditTail, GapAnswer } from './answers.ts';
import { integerAt, type Reply, textAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';

/** A stored record with the verdict of the script that stored it. What lies in Redis is not judged here: a field may be empty. */
export interface StoredRecord {
  seq: number;
  sha256: string;
  bytes: Uint8Array;
  /** `run`, `ok`, `fenced`, …: what the script answered. */
  verdict: string;
}

export type AppendAnswer = { answer: 'ok' } | { answer: 'again' } | GapAnswer;

/** Lost replies are recognised by the latest records: these are never trimmed. */
const KEPT = 1_000;
/** Records removed by one command: Redis does nothing else meanwhile. */
const TRIM_STEP = 10_000;
/** How many of the latest verdicts a writer reads back, which is also how many one record can tell. */
const TAIL = 64;

/** A script's arguments for records: log, count, then seq, prev, sha256, bytes of each. */
export function auditArguments(records: readonly AuditEntry[]): (string | number | Uint8Array)[] {
  return [records[0]?.log ?? '', records.length, ...records.flatMap((r) => [r.seq, r.prev, r.sha256, r.bytes])];
}

export function gapAnswer(reply: Reply): GapAnswer {
  return { answer: 'gap', head: { seq: integerAt(reply, 1), sha256: textAt(reply, 2) } };
}

/** Tells the records which verdict they have beside them: the last element of every answer that is not `gap`. */
export function tellStored(records: readonly AuditEntry[], reply: Reply): void {
  if (records.length === 0 || textAt(reply, 0) === 'gap') return;
  const verdict = textAt(reply, reply.length - 1);
  // Somebody may have put any word there: it is not the worker's to tell, and the verifier finds it.
  if (isVerdict(verdict)) for (const record of records) record.onStored?.(verdict);
}

export async function appendRecords(queue: QueueRedis, records: AuditEntry[]): Promise<AppendAnswer> {
  const reply = await queue.run('append', auditArguments(records));
  const answer = textAt(reply, 0);
  if (answer === 'gap') return gapAnswer(reply);
  if (answer !== 'ok' && answer !== 'again') throw unknownAnswer('append', reply);
  tellStored(records, reply);
  return { answer };
}

export async function readHead({ redis, keys }: QueueRedis, log: string): Promise<AuditHead> {
  const [seq, sha256] = await redis.hmget(keys.auditHead(log), 'seq', 'sha256');
  return headOf(seq, sha256);
}

/** The heads of these logs at one moment: what a record of one of them refers to is in the others. */
export async function readHeads({ redis, keys }: QueueRedis, logs: readonly string[]): Promise<Map<string, AuditHead>> {
  const transaction = redis.multi();
  for (const log of logs) transaction.hmget(keys.auditHead(log), 'seq', 'sha256');
  const replies = (await transaction.exec()) ?? [];
  const heads = replies.map(([error, reply]) => {
    if (error !== null) throw error;
    const [seq, sha256] = reply as (string | null)[];
    return headOf(seq, sha256);
  });
  return new Map(logs.map((log, n) => [log, heads[n] ?? headOf(null, null)]));
}

/** A log's head and the verdicts of its latest records. Two round trips; for its writer, who alone moves it. */
export async function readTail(queue: QueueRedis, log: string): Promise<AuditTail> {
  const head = await readHead(queue, log);
  const range = { log, afterSeq: Math.max(0, head.seq - TAIL), limit: TAIL };
  const verdicts = (await readRecords(queue, range)).filter(({ seq }) => seq <= head.seq);
  return { ...head, verdicts: verdicts.map(({ seq, verdict }) => ({ seq, verdict })).filter(isTold) };
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
    sha256: fields[3]?.toString() ?? '',
    bytes: fields[1] ?? Buffer.alloc(0),
    verdict: fields[5]?.toString() ?? '',
  }));
}

/** Removes records up to `upToSeq` after they were exported, a bounded number at a time. The latest 1,000 stay. */
export async function trimRecords(
  queue: QueueRedis,
  { log, upToSeq }: { log: string; upToSeq: number },
): Promise<number> {
  const head = await readHead(queue, log);
  const end = Math.min(upToSeq, head.seq - KEPT);
  const [oldest] = await readRecords(queue, { log, afterSeq: 0, limit: 1 });
  let removed = 0;
  for (let from = oldest?.seq ?? end + 1; from <= end; from += TRIM_STEP) {
    const first = Math.min(from + TRIM_STEP, end + 1);
    removed += await queue.redis.xtrim(queue.keys.audit(log), 'MINID', `${first}-0`);
  }
  return removed;
}

function headOf(seq: string | null | undefined, sha256: string | null | undefined): AuditHead {
  return { seq: Number(seq ?? 0), sha256: sha256 ?? NO_HASH };
}

function isVerdict(verdict: string): verdict is AuditVerdict {
  return (AUDIT_VERDICTS as readonly string[]).includes(verdict);
}

function isTold(told: { seq: number; verdict: string }): told is ToldVerdict {
  return isVerdict(told.verdict);
}
