// What must be true of a queue's history, whatever happened.

import { Redis } from 'ioredis';
import { auditHash, keysOf, NO_HASH, Protocol } from '../../protocol/index.ts';
import type { AuditRecord } from '../../schemas/types.ts';

/** A record with its script's verdict: only with `run` was something started, only with `ok` finished. */
export interface Told {
  record: AuditRecord;
  verdict: string;
}

/** Keys that live as long as the queue; all others end by themselves. */
const LASTING =
  /^(ready|held|V|finish|inflight|due|dead|workers|slots|sequence|audit-logs|audit:.*|audit-head:.*|bull:jobs:(meta|events|marker|id|stalled-check))$/;

/** The audit logs and keys of a queue, as they lie in Redis. */
export class History {
  readonly #redis: Redis;
  readonly #queue: string;
  readonly #protocol: Protocol;

  constructor(url: string, queue: string) {
    this.#redis = new Redis(url);
    this.#queue = queue;
    this.#protocol = new Protocol(this.#redis, queue);
  }

  /** All records by log, after the chain of each was verified: what is wrong with one is thrown. */
  async records(): Promise<Told[]> {
    const told: Told[] = [];
    for (const log of await this.#protocol.listAuditLogs()) {
      let [seq, prev] = [0, NO_HASH];
      for (const stored of await this.#protocol.readAudit({ log, afterSeq: 0, limit: 1_000_000 })) {
        const record = JSON.parse(Buffer.from(stored.bytes).toString()) as AuditRecord;
        const follows = record.log === log && record.seq === seq + 1 && record.prev === prev;
        if (!follows || auditHash(stored.bytes) !== stored.sha256) throw new Error(`${log}: broken at ${stored.seq}`);
        [seq, prev] = [record.seq, stored.sha256];
        told.push({ record, verdict: stored.verdict });
      }
      const head = await this.#protocol.readAuditHead(log);
      if (head.seq !== seq || head.sha256 !== prev) throw new Error(`${log}: its head is not its last record`);
    }
    return told;
  }

  /** SHA-256 of the stored result of a job. */
  async resultSha256(uid: string): Promise<string | null> {
    const answer = await this.#protocol.readResult(uid);
    return answer.answer === 'result' ? answer.sha256 : null;
  }

  /** Keys that neither end by themselves nor belong to the queue. */
  async leftovers(): Promise<string[]> {
    const { prefix } = keysOf(this.#queue);
    const left: string[] = [];
    for (const key of await this.#redis.keys('*')) {
      if (LASTING.test(key.slice(prefix.length)) && key.startsWith(prefix)) continue;
      if ((await this.#redis.pttl(key)) === -1) left.push(key);
    }
    return left;
  }

  /** Jobs that the queue believes unfinished. */
  async unfinished(): Promise<number> {
    const { due, inflight } = keysOf(this.#queue);
    return (await this.#redis.zcard(due)) + (await this.#redis.zcard(inflight));
  }

  close(): void {
    this.#redis.disconnect();
  }
}

/**
 * What is wrong with one job's records; empty when nothing is. Several workers may each tell of an end that they found: the
 * earliest acceptance counts.
 */
export function faultsOf(
  told: readonly Told[],
  job: { attempts: number; epoch: number; resultSha256: string | null },
): string[] {
  const at = (each: Told | undefined) => each?.record.at ?? '';
  const inOrder = told.toSorted((one, other) => at(one).localeCompare(at(other)));
  const of = (event: string, verdict?: string) =>
    inOrder.filter((each) => each.record.event === event && (verdict === undefined || each.verdict === verdict));
  const [accepted, started, finished] = [of('accepted'), of('started', 'run'), of('finished', 'ok')];
  const faults: [boolean, string][] = [
    [accepted.length === 0, 'never accepted'],
    [started.length > job.attempts, `started ${started.length} times, of ${job.attempts}`],
    [started.length !== job.epoch, `started ${started.length} times, but its epoch is ${job.epoch}`],
    [finished.length !== 1, `finished ${finished.length} times`],
    [started.some((each) => at(each) < at(accepted[0])), 'started before accepted'],
    [[...accepted.slice(0, 1), ...started].some((each) => at(finished[0]) < at(each)), 'finished before started'],
    [bodyOf(finished[0]).resultSha256 !== job.resultSha256, 'the result is not the one in the log'],
  ];
  return faults.filter(([isWrong]) => isWrong).map(([, what]) => what);
}

function bodyOf(told: Told | undefined): Record<string, unknown> {
  return (told?.record.body ?? {}) as Record<string, unknown>;
}
