// A small queue's audit logs, as real workers' chains and the real scripts leave them, and what an intruder makes of their export.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalText } from '../../../audit/canonical.ts';
import {
  type ExportedRecord,
  endLine,
  headerLine,
  isEnd,
  type LogHead,
  parseRecordLine,
  recordLine,
  sortHeads,
} from '../../../audit/export-format.ts';
import { NO_HASH, recordHash, sha256Hex } from '../../../audit/hashes.ts';
import { makeKeyPair, type PrivateKey, parsePrivateKey } from '../../../audit/keys.ts';
import { type VerifyInput, verifyAudit } from '../../../audit/verify.ts';
import { exportAudit } from '../../../auditor/export.ts';
import { Notary } from '../../../auditor/notary.ts';
import { AuditChain, type AuditEvent, type Beginning } from '../../../protocol/index.ts';
import { checkAuditReport } from '../../../schemas/parse.ts';
import type { AuditRecord, AuditReport } from '../../../schemas/types.ts';
import { AuditRecords } from '../../../worker/audit-records.ts';
import { finishOf } from '../../../worker/finish.ts';
import { type OwnOutcome, resultWithoutRun } from '../../../worker/result-document.ts';
import type { TestQueue } from '../protocol/bench-queue.ts';

const LOST: OwnOutcome = { kind: 'worker-lost', reason: 'died' };
const TIMES = { resultTtlMs: 60_000, tombstoneTtlMs: 600_000 };

/** What a worker does to its log, with its own code; no sandbox. */
export class Scribe {
  readonly name: string;
  readonly queue: TestQueue;
  readonly chain: AuditChain;
  readonly records: AuditRecords;

  constructor(queue: TestQueue, name: string) {
    this.name = name;
    this.queue = queue;
    this.chain = new AuditChain(name, () => queue.protocol.readAuditTail(name));
    this.records = new AuditRecords(name);
  }

  async write(...events: AuditEvent[]): Promise<void> {
    await this.chain.append(events, (records) => this.queue.protocol.appendAudit(records));
  }

  boot(): Promise<void> {
    return this.write(this.records.boot('boot-0001', 0));
  }

  close(): Promise<void> {
    return this.write(this.records.close());
  }

  /** Begins an attempt as a worker does; returns the script's verdict. */
  async begin(uid: string, epoch: number, o: Partial<Beginning> = {}): Promise<string> {
    const state = await this.queue.protocol.peek(uid);
    if (state === null) throw new Error(`no job ${uid}`);
    const job = { uid, tenant: state.tenant, epoch };
    const accepted = epoch === 1 ? [this.records.accepted(job, state)] : [];
    const events = [...accepted, this.records.started(job, state.attempts)];
    const question = { uid, instance: this.name, token: `t-${epoch}`, expectedEpoch: epoch, ...o };
    const answer = await this.chain.append(events, (records) => this.queue.protocol.begin({ ...question, records }));
    return answer.answer;
  }

  /** Commits a result of an attempt; 0: it never began, and this log tells its acceptance. */
  async finish(uid: string, epoch: number, outcome: OwnOutcome = LOST): Promise<string> {
    const state = await this.queue.protocol.peek(uid);
    if (state === null) throw new Error(`no job ${uid}`);
    const { id, tenant } = state;
    const result = resultWithoutRun({ id, tenant, uid, epoch, worker: this.name, startedAt: null }, outcome);
    const finish = finishOf(result, { uid, epoch, tenant });
    const accepted = epoch === 0 ? [this.records.accepted(state, state)] : [];
    const events = [...accepted, this.records.finished(finish)];
    const answer = await this.chain.append(events, (records) =>
      this.queue.protocol.commit({ ...finish, ...TIMES, records }),
    );
    return answer.answer;
  }
}

/** Two workers and four jobs: one plain, one whose first attempt is fenced, one rejected, one cancelled before it began. */
export async function story(queue: TestQueue, signHere: () => Promise<void>): Promise<void> {
  const [one, two] = [new Scribe(queue, 'w-1'), new Scribe(queue, 'w-2')];
  await Promise.all([one.boot(), two.boot()]);
  const { uid: plain } = await queue.accept('plain');
  await one.begin(plain, 1);
  await one.finish(plain, 1);
  await signHere();
  const { uid: slow } = await queue.accept('slow', { tenant: 'beta', attempts: 2 });
  await one.begin(slow, 1);
  await two.begin(slow, 2);
  await one.finish(slow, 1);
  await two.finish(slow, 2);
  const { uid: bad } = await queue.accept('bad');
  await two.begin(bad, 1);
  await two.finish(bad, 1, { kind: 'rejected', field: 'runtime', rule: 'enum', message: 'unknown' });
  await signHere();
  const { uid: dropped } = await queue.accept('dropped');
  await queue.protocol.cancel({ tenant: 'acme', id: 'dropped' });
  await one.finish(dropped, 0, { kind: 'cancelled', by: 'caller' });
  await one.close();
  await signHere();
}

/** A directory with an export, the checkpoints of a story and the key that signed them. */
export class Archive {
  readonly directory = mkdtempSync(join(tmpdir(), 'bullpen-archive-'));
  readonly checkpoints = join(this.directory, 'checkpoints');
  readonly key: PrivateKey = parsePrivateKey(makeKeyPair('audit.example/pens').privateText);
  readonly queue: string;
  #written = 0;

  constructor(queue: string) {
    this.queue = queue;
    mkdirSync(this.checkpoints);
  }

  static async of(queue: TestQueue, tell: typeof story = story): Promise<Archive> {
    const archive = new Archive(queue.name);
    await tell(queue, () => archive.sign(queue));
    return archive;
  }

  async sign(queue: TestQueue, directory = this.checkpoints): Promise<void> {
    const notary = await Notary.open({ queue: queue.name, directory, key: this.key, settleMs: 0 });
    const { findings } = await notary.round(queue.protocol);
    if (findings.length > 0) throw new Error(findings[0]?.message);
  }

  /** Exports and returns the file. */
  async export(queue: TestQueue, after: readonly LogHead[] | null = null): Promise<string> {
    const lines: Uint8Array[] = [];
    const source = { protocol: queue.protocol, queue: queue.name, after };
    await exportAudit(source, async (line) => {
      lines.push(line);
    });
    return this.file(Buffer.concat(lines));
  }

  /** A new file with these bytes. */
  file(bytes: Uint8Array): string {
    this.#written += 1;
    const path = join(this.directory, `export-${this.#written}.ndjson`);
    writeFileSync(path, bytes);
    return path;
  }

  verify(
    exports: string | string[],
    o: { checkpoints?: string; known?: string[]; trimmed?: boolean } = {},
  ): Promise<AuditReport> {
    const { checkpoints: directory = this.checkpoints, known = [], trimmed = false } = o;
    return checkedReport({ exports: [exports].flat(), signed: { directory, key: this.key.publicKey, known }, trimmed });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** A verifier's report, which must keep its schema whatever it says. */
export async function checkedReport(input: VerifyInput): Promise<AuditReport> {
  const report = await verifyAudit(input);
  const checked = checkAuditReport(JSON.stringify(report));
  if (!checked.ok) throw new Error(checked.issues[0]?.message);
  return report;
}

/** The records of an export, log by log as they stand there. */
export function recordsOf(path: string): ExportedRecord[] {
  const lines = readFileSync(path)
    .toString('latin1')
    .split('\n')
    .slice(1, -1)
    .map((line) => Buffer.from(line, 'latin1'));
  return lines.filter((line) => !isEnd(line)).map((line) => parseRecordLine(line) ?? fail());
}

/** An export of these records whose own sums are right: an intruder can count too. */
export function exportOf(queue: string, records: readonly ExportedRecord[]): Buffer {
  const lines = Buffer.concat([Buffer.from(headerLine(queue, [])), ...records.map(recordLine)]);
  const heads = new Map(records.map(({ log, seq, sha256 }) => [log, { log, seq, sha256 }]));
  const end = { records: records.length, heads: sortHeads(heads.values()), sha256: sha256Hex(lines) };
  return Buffer.concat([lines, Buffer.from(endLine(end))]);
}

/** A record with another content; its hash stays, as if only the bytes were changed. */
export function edited(record: ExportedRecord, change: Partial<AuditRecord>): ExportedRecord {
  const content = { ...(JSON.parse(Buffer.from(record.bytes).toString()) as AuditRecord), ...change };
  return { ...record, bytes: Buffer.from(canonicalText(content)) };
}

/** All records with their places, hashes and references made right again: what an intruder with all of Redis can do. */
export function resealed(records: readonly ExportedRecord[]): ExportedRecord[] {
  const heads = new Map<string, LogHead>();
  return records.map((record) => {
    const { seq: before, sha256: prev } = heads.get(record.log) ?? { seq: 0, sha256: NO_HASH };
    const placed = edited({ ...record, seq: before + 1 }, { seq: before + 1, prev, log: record.log });
    const sealed = { ...placed, sha256: recordHash(placed.bytes) };
    heads.set(record.log, sealed);
    return sealed;
  });
}

function fail(): never {
  throw new Error('not a line of an export');
}
