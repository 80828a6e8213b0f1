// What lies in Redis of a queue's past, as the checker wants it.

import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { verifyAudit } from '../../audit/verify.ts';
import { exportAudit } from '../../auditor/export.ts';
import { keysOf, Protocol } from '../../protocol/index.ts';
import type { AuditRecord } from '../../schemas/types.ts';
import { chainFaultsOf, type Link, type Logged, type Stored } from './history.ts';

const PAGE = 2000;

/** Keys that live as long as the queue; all others end by themselves. */
const LASTING =
  /^(ready|held|V|finish|inflight|due|dead|dead-bytes|dead-totals|tenants|queued-bytes|pace|expiring|workers|slots|sequence|audit-logs|audit:.*|audit-head:.*|bull:jobs:(meta|events|marker|id|stalled-check))$/;

/** The audit logs and keys of a queue. */
export class Evidence {
  readonly #redis: Redis;
  readonly #queue: string;
  readonly #protocol: Protocol;

  constructor(url: string, queue: string) {
    this.#redis = new Redis(url);
    this.#redis.on('error', () => undefined); // it is killed now and then; each call waits until it is back
    this.#queue = queue;
    this.#protocol = new Protocol(this.#redis, queue);
  }

  /** What the logs tell of each job, by uid, and what is wrong with their chains. */
  async readLogs(): Promise<{ byUid: Map<string, Logged[]>; faults: string[] }> {
    const byUid = new Map<string, Logged[]>();
    const faults: string[] = [];
    for (const log of await this.#protocol.listAuditLogs()) {
      const links: Link[] = [];
      for await (const stored of this.#readLog(log)) {
        links.push(stored);
        const record = JSON.parse(Buffer.from(stored.bytes).toString()) as AuditRecord;
        if (record.uid === null) continue;
        byUid.set(record.uid, [...(byUid.get(record.uid) ?? []), loggedOf(record, stored.verdict)]);
      }
      faults.push(...chainFaultsOf(log, links, await this.#protocol.readAuditHead(log)));
    }
    return { byUid, faults: [...faults, ...(await this.#verifyExport())] };
  }

  /** What the offline verifier says of an export, with no checkpoint: nobody tampered, whatever died. */
  async #verifyExport(): Promise<string[]> {
    const directory = await mkdtemp(join(tmpdir(), 'bullpen-chaos-audit-'));
    const file = join(directory, 'audit.ndjson');
    const write = (line: Uint8Array): Promise<void> => appendFile(file, line);
    await exportAudit({ protocol: this.#protocol, queue: this.#queue, after: null }, write);
    const { faults } = await verifyAudit({ exports: [file], signed: null, trimmed: false });
    await rm(directory, { recursive: true });
    return faults.map(({ rule, message }) => `audit verify: ${message} (${rule})`);
  }

  async *#readLog(log: string) {
    for (let afterSeq = 0; ; ) {
      const page = await this.#protocol.readAudit({ log, afterSeq, limit: PAGE });
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      afterSeq = last.seq;
    }
  }

  /** What is kept of a job: its uid and its end; null when Redis knows none of this id. */
  async readJob(id: string): Promise<{ uid: string; stored: Stored } | null> {
    const job = await this.#protocol.readState('default', id);
    if (job === null) return null;
    const answer = await this.#protocol.readResult(job.uid);
    if (answer.answer !== 'result') {
      return { uid: job.uid, stored: { resultSha256: null, resultEpoch: null, epoch: job.epoch } };
    }
    const { epoch } = JSON.parse(Buffer.from(answer.bytes).toString()) as { epoch: number };
    return { uid: job.uid, stored: { resultSha256: answer.sha256, resultEpoch: epoch, epoch: job.epoch } };
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

function loggedOf({ at, log, seq, event, epoch, body }: AuditRecord, verdict: string): Logged {
  const { resultSha256 } = body as { resultSha256?: string };
  const known = { from: 'log' as const, at, log, seq, event: event as Logged['event'], epoch, verdict };
  return resultSha256 === undefined ? known : { ...known, resultSha256 };
}
