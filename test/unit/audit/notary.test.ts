// The process that signs, on a real Redis that somebody writes to; and the archive that grows beside it.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseEnd } from '../../../audit/export-format.ts';
import { AuditGapError } from '../../../auditor/export.ts';
import { CheckpointDirectoryError, Notary } from '../../../auditor/notary.ts';
import { trimAudit } from '../../../auditor/trim.ts';
import { writeCheckpoint } from '../../../auditor/write-checkpoint.ts';
import { type TestQueue, useRedis } from '../protocol/bench-queue.ts';
import { Archive, recordsOf, Scribe } from './archive.ts';

const bench = useRedis();
let queue: TestQueue;
let archive: Archive;
let scribe: Scribe;

beforeEach(async () => {
  queue = bench.queue();
  archive = new Archive(queue.name);
  scribe = new Scribe(queue, 'w-1');
  await scribe.boot();
  await job('first');
});

afterEach(() => archive.remove());

async function job(id: string): Promise<void> {
  const { uid } = await queue.accept(id);
  await scribe.begin(uid, 1);
  await scribe.finish(uid, 1);
}

function open(directory = archive.checkpoints): Promise<Notary> {
  return Notary.open({ queue: queue.name, directory, key: archive.key, settleMs: 0 });
}

async function round() {
  return (await open()).round(queue.protocol);
}

/** Puts other bytes or another verdict into a stored record, hash and place left as they are. */
async function tamper(seq: number, fields: { bytes?: Buffer; verdict?: string }): Promise<void> {
  const key = queue.keys.audit('w-1');
  const [[, stored] = ['', []]] = await queue.redis.xrangeBuffer(key, `${seq}-0`, `${seq}-0`);
  const rest = await queue.redis.xrangeBuffer(key, `${seq + 1}-0`, '+');
  const [, bytes = '', , sha256 = '', , verdict = ''] = stored;
  for (const [id] of [[`${seq}-0`], ...rest] as [string | Buffer][]) await queue.redis.xdel(key, id);
  // Streams only grow: who wants to write in the middle sets the last id back.
  await queue.redis.xsetid(key, `${seq - 1}-0`);
  await queue.redis.xadd(
    key,
    `${seq}-0`,
    'bytes',
    fields.bytes ?? bytes,
    'sha256',
    sha256,
    'verdict',
    fields.verdict ?? verdict,
  );
  for (const [id, entry] of rest) await queue.redis.xadd(key, id, ...entry);
}

it('signs what grew, each checkpoint naming the one before, and nothing twice', async () => {
  expect((await round()).signed).toMatchObject([{ log: 'w-1', size: 4 }]);
  expect(await round()).toEqual({ signed: [], findings: [] });
  await new Scribe(queue, 'w-2').boot();
  await job('second');
  expect((await round()).signed).toMatchObject([
    { log: 'w-1', size: 7 },
    { log: 'w-2', size: 1 },
  ]);
  expect(readdirSync(archive.checkpoints)).toEqual(['000000000001.note', '000000000002.note', '000000000003.note']);
  const [origin, size] = readFileSync(join(archive.checkpoints, '000000000002.note'), 'utf8').split('\n');
  expect([origin, size]).toEqual([`audit.example/pens/${queue.name}/w-1`, '7']);
  expect(await archive.verify(await archive.export(queue))).toMatchObject({ ok: true, checkpoints: 3 });
});

it('signs only what was there when the round began', async () => {
  const settling = Notary.open({ queue: queue.name, directory: archive.checkpoints, key: archive.key, settleMs: 300 });
  const began = performance.now();
  const signing = (await settling).round(queue.protocol);
  await job('second');
  expect((await signing).signed).toMatchObject([{ log: 'w-1', size: 4 }]);
  // What was signed had as much time to reach the disk; a timer may be a millisecond early.
  expect(performance.now() - began).toBeGreaterThan(298);
});

it('does not sign a log whose head names another record, whether it grew or not', async () => {
  await round();
  const head = await queue.protocol.readAuditHead('w-1');
  await queue.redis.hset(queue.keys.auditHead('w-1'), 'sha256', 'a'.repeat(64));
  expect((await round()).findings).toMatchObject([{ rule: 'root', log: 'w-1', seq: 4 }]);
  await queue.redis.hset(queue.keys.auditHead('w-1'), 'sha256', head.sha256);
  await job('second');
  await queue.redis.hset(queue.keys.auditHead('w-1'), 'sha256', 'a'.repeat(64));
  expect((await round()).findings).toMatchObject([{ rule: 'root', log: 'w-1', seq: 7 }]);
});

it('does not sign a log that was cut back below what was signed', async () => {
  await round();
  await queue.redis.xtrim(queue.keys.audit('w-1'), 'MAXLEN', 0);
  await queue.redis.del(queue.keys.auditHead('w-1'), queue.keys.audit('w-1'));
  expect(await round()).toMatchObject({ signed: [], findings: [{ rule: 'truncated', log: 'w-1', seq: 1, upTo: 4 }] });
});

it('does not sign a changed record, and signs the other logs', async () => {
  await new Scribe(queue, 'w-2').boot();
  const [, , third] = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 3 });
  const forged = Buffer.from(
    Buffer.from(third?.bytes ?? '')
      .toString()
      .replace('"acme"', '"evil"'),
  );
  await tamper(3, { bytes: forged });
  const { signed, findings } = await round();
  expect(findings).toMatchObject([{ rule: 'hash', log: 'w-1', seq: 3 }]);
  expect(signed).toMatchObject([{ log: 'w-2', size: 1 }]);
});

it('does not sign a verdict that contradicts the record that tells it', async () => {
  await job('second');
  await tamper(4, { verdict: 'fenced' });
  expect((await round()).findings).toMatchObject([{ rule: 'verdict', log: 'w-1', seq: 4 }]);
});

it('does not sign a log whose records are gone from behind its head', async () => {
  await queue.redis.del(queue.keys.audit('w-1'));
  expect((await round()).findings).toMatchObject([{ rule: 'missing', log: 'w-1', seq: 1, upTo: 4 }]);
});

it('does not sign beside another process, nor on top of what it cannot check', async () => {
  const [one, other] = [await open(), await open()];
  await one.round(queue.protocol);
  await expect(other.round(queue.protocol)).rejects.toMatchObject({ code: 'EEXIST' });
  writeFileSync(join(archive.checkpoints, '000000000002.note'), 'nothing\n');
  await expect(open()).rejects.toThrow(CheckpointDirectoryError);
  await expect(writeCheckpoint(archive.checkpoints, 2, Buffer.from('x'))).rejects.toMatchObject({ code: 'EEXIST' });
});

it('goes on with an export where the one before ends, and verifies them as one', async () => {
  const monday = await archive.export(queue);
  await round();
  await job('second');
  const tuesday = await archive.export(queue, endOf(monday));
  await round();
  expect(recordsOf(tuesday).map(({ seq }) => seq)).toEqual([5, 6, 7]);
  expect(await archive.verify([monday, tuesday])).toMatchObject({ ok: true, records: 7 });
  expect((await archive.verify([tuesday])).faults).toMatchObject([{ rule: 'export' }]);
  expect((await archive.verify([monday])).faults).toMatchObject([{ rule: 'truncated', log: 'w-1', seq: 5, upTo: 7 }]);
  expect(await archive.verify([tuesday], { trimmed: true })).toMatchObject({ ok: true, records: 3 });
  const lines = readFileSync(tuesday, 'utf8').split('\n');
  const another = lines[0]?.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${'a'.repeat(64)}"`);
  const lying = archive.file(Buffer.from([another, ...lines.slice(1)].join('\n')));
  expect((await archive.verify([lying], { trimmed: true })).faults).toMatchObject([
    { rule: 'export', message: expect.stringContaining('another record 4') },
  ]);
});

function endOf(path: string) {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return parseEnd(Buffer.from(lines.at(-1) ?? ''));
}

it('trims what is exported and signed, keeps the latest 1,000, and both sides go on', async () => {
  const close = scribe.records.close();
  for (let n = 0; n < 30; n++) await scribe.write(...Array.from({ length: 50 }, () => close));
  await round();
  const first = await archive.export(queue);
  await scribe.write(...Array.from({ length: 50 }, () => close));
  const report = await archive.verify(first);
  expect(report).toMatchObject({ ok: true, logs: [{ signed: 1504, last: 1504 }] });
  expect(await trimAudit(queue.protocol, queue.name, report)).toEqual([{ log: 'w-1', archived: 1504, removed: 554 }]);
  await job('later');
  expect((await round()).signed).toMatchObject([{ log: 'w-1', size: 1557 }]);
  const next = await archive.export(queue, endOf(first));
  expect(await archive.verify([first, next])).toMatchObject({ ok: true, records: 1557 });
  const fresh = await archive.export(queue);
  expect((await archive.verify(fresh)).faults[0]).toMatchObject({
    rule: 'export',
    message: expect.stringContaining('1 to 554'),
  });
});

it('trims nothing on a report that does not hold, or of another queue', async () => {
  await round();
  const report = await archive.verify(await archive.export(queue));
  await expect(trimAudit(queue.protocol, queue.name, { ...report, ok: false })).rejects.toThrow(TypeError);
  await expect(trimAudit(queue.protocol, 'other', report)).rejects.toThrow(TypeError);
  expect(await trimAudit(queue.protocol, queue.name, report)).toEqual([{ log: 'w-1', archived: 4, removed: 0 }]);
});

it('says so when the records that an export should go on with are gone', async () => {
  const first = endOf(await archive.export(queue));
  await job('second');
  await queue.redis.xtrim(queue.keys.audit('w-1'), 'MINID', '6-0');
  await expect(archive.export(queue, first)).rejects.toThrow(AuditGapError);
});

it('exports what is no text as it is, and the verifier names it', async () => {
  await tamper(2, { bytes: Buffer.from('{"a":\n"\xff"}', 'latin1') });
  const report = await archive.verify(await archive.export(queue));
  expect(report.faults.at(-1)).toMatchObject({ rule: 'line', log: 'w-1', seq: 2 });
});

it('keeps the directories of two keys apart', async () => {
  const other = join(archive.directory, 'other');
  mkdirSync(other);
  await round();
  await archive.sign(queue, other);
  const stranger = new Archive(queue.name);
  const report = await stranger.verify(await archive.export(queue), { checkpoints: other });
  stranger.remove();
  expect(report.faults[0]).toMatchObject({
    rule: 'checkpoint',
    message: expect.stringContaining('not signed by the key'),
  });
});
