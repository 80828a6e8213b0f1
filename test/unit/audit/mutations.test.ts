// K15: everything that can be done to an exported audit log or its checkpoints, beside the export that nothing was done to.

import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkpointFileName } from '../../../audit/checkpoint-files.ts';
import type { ExportedRecord } from '../../../audit/export-format.ts';
import { makeKeyPair, parsePrivateKey } from '../../../audit/keys.ts';
import { signNote } from '../../../audit/note.ts';
import type { AuditRecord } from '../../../schemas/types.ts';
import { type TestQueue, useRedis } from '../protocol/bench-queue.ts';
import { Archive, checkedReport, edited, exportOf, recordsOf, resealed } from './archive.ts';

const bench = useRedis();
let queue: TestQueue;
let archive: Archive;
let whole: string;
let records: ExportedRecord[];

beforeAll(async () => {
  queue = bench.queue();
  archive = await Archive.of(queue);
  whole = await archive.export(queue);
  records = recordsOf(whole);
});

afterAll(() => archive.remove());

function contentOf({ bytes }: ExportedRecord): AuditRecord {
  return JSON.parse(Buffer.from(bytes).toString());
}

/** The place of a record in the export. */
function at(log: string, seq: number): number {
  return records.findIndex((record) => record.log === log && record.seq === seq);
}

function find(log: string, seq: number): ExportedRecord {
  const record = records[at(log, seq)];
  if (record === undefined) throw new Error(`no record ${seq} in ${log}`);
  return record;
}

/** The export with one record changed. */
function replaced(log: string, seq: number, by: ExportedRecord[]): ExportedRecord[] {
  return records.toSpliced(at(log, seq), 1, ...by);
}

async function firstFault(changed: readonly ExportedRecord[]) {
  const report = await archive.verify(archive.file(exportOf(queue.name, changed)));
  expect(report.ok).toBe(false);
  return report.faults[0];
}

it('the export that nothing was done to holds, under five checkpoints, with no verdict that stands alone', async () => {
  const report = await archive.verify(whole);
  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ ok: true, records: 16, checkpoints: 5, queue: queue.name });
  expect(
    report.logs.map(({ log, first, last, signed, openVerdicts }) => [log, first, last, signed, openVerdicts]),
  ).toEqual([
    ['w-1', 1, 10, 10, 0],
    ['w-2', 1, 6, 6, 0],
  ]);
});

it('an export written anew from its records is the same to the byte', () => {
  expect(exportOf(queue.name, records).equals(readFileSync(whole))).toBe(true);
  expect(resealed(records)).toEqual(records.map((record) => ({ ...record, bytes: Buffer.from(record.bytes) })));
});

it('edit: a changed record is named by its hash', async () => {
  const fault = await firstFault(replaced('w-1', 3, [edited(find('w-1', 3), { tenant: 'evil' })]));
  expect(fault).toMatchObject({ rule: 'hash', log: 'w-1', seq: 3 });
});

it('edit with a new hash: the next record names another one before it', async () => {
  const [forged] = resealed([edited(find('w-1', 1), { actor: 'worker:evil' })]);
  expect(await firstFault(replaced('w-1', 1, forged ? [forged] : []))).toMatchObject({
    rule: 'prev',
    log: 'w-1',
    seq: 2,
  });
});

it('edit with everything after it made right again: not what was signed', async () => {
  const changed = resealed(replaced('w-1', 6, [edited(find('w-1', 6), { tenant: 'evil' })]));
  const message = 'record 5 of w-1 or a later one is not the one that was signed';
  expect(await firstFault(changed)).toMatchObject({ rule: 'root', log: 'w-1', seq: 5, upTo: 7, message });
});

it('delete: the missing record is named', async () => {
  expect(await firstFault(replaced('w-1', 3, []))).toMatchObject({ rule: 'missing', log: 'w-1', seq: 3 });
  expect(await firstFault(resealed(replaced('w-1', 3, [])))).toMatchObject({ log: 'w-1', seq: expect.any(Number) });
});

it('reorder: the first record out of place is named', async () => {
  const [third, fourth] = [find('w-1', 3), find('w-1', 4)];
  const swapped = records.toSpliced(at('w-1', 3), 2, fourth, third);
  expect(await firstFault(swapped)).toMatchObject({ rule: 'missing', log: 'w-1', seq: 3 });
  expect(await firstFault(resealed(swapped))).toMatchObject({ log: 'w-1' });
});

it('truncate the tail: the first missing record is named', async () => {
  const cut = records.filter(({ log, seq }) => log !== 'w-1' || seq < 9);
  expect(await firstFault(cut)).toMatchObject({ rule: 'truncated', log: 'w-1', seq: 9, upTo: 10 });
});

it('truncate to nothing: an empty log, or none, against what was signed of it', async () => {
  expect(await firstFault([])).toMatchObject({ rule: 'truncated', log: 'w-1', seq: 1, upTo: 10 });
  const other = records.filter(({ log }) => log !== 'w-2');
  expect(await firstFault(other)).toMatchObject({ rule: 'truncated', log: 'w-2', seq: 1, upTo: 6 });
});

it('insert: a forged record takes a place that is taken, or moves all others', async () => {
  const forged = edited(find('w-1', 3), { tenant: 'evil' });
  const inserted = records.toSpliced(at('w-1', 3), 0, forged);
  expect(await firstFault(inserted)).toMatchObject({ log: 'w-1', seq: 3 });
  expect(await firstFault(resealed(inserted))).toMatchObject({ rule: 'root', log: 'w-1', seq: 1, upTo: 4 });
});

it('duplicate: the repeated record is named', async () => {
  const twice = records.toSpliced(at('w-1', 3), 0, find('w-1', 3));
  expect(await firstFault(twice)).toMatchObject({ rule: 'repeated', log: 'w-1', seq: 3 });
});

it("swap two tenants' entries: the first of them is named", async () => {
  const [acme, beta] = [find('w-1', 4), find('w-1', 7)];
  const of = (record: ExportedRecord) => ({ tenant: contentOf(record).tenant, uid: contentOf(record).uid });
  expect([of(acme).tenant, of(beta).tenant]).toEqual(['acme', 'beta']);
  const swapped = records.map((record) => {
    if (record === acme) return edited(acme, of(beta));
    return record === beta ? edited(beta, of(acme)) : record;
  });
  expect(await firstFault(swapped)).toMatchObject({ rule: 'hash', log: 'w-1', seq: 4 });
  expect(await firstFault(resealed(swapped))).toMatchObject({ log: 'w-1' });
});

it('fork: a second head is named where it parts, in one export or in two', async () => {
  const [forged] = resealed([edited(find('w-2', 6), { tenant: 'evil' })]);
  const second = { ...(forged as ExportedRecord), seq: 6 };
  const other = edited(second, { seq: 6, prev: contentOf(find('w-2', 6)).prev, tenant: 'evil' });
  expect(await firstFault([...records, other])).toMatchObject({ rule: 'hash', log: 'w-2', seq: 6 });
  const both = await archive.verify([whole, whole]);
  expect(both.faults).toMatchObject([{ rule: 'export', file: whole, line: 1 }]);
});

it('replace the whole stream by another that hangs together: not what was signed', async () => {
  const made = bench.queue();
  const forged = await Archive.of(made);
  const stranger = recordsOf(await forged.export(made));
  forged.remove();
  expect(await firstFault(stranger)).toMatchObject({ rule: 'root', log: 'w-1', seq: 1, upTo: 4 });
});

it('a verdict that is changed contradicts the record that tells it', async () => {
  const fenced = records.find(({ verdict }) => verdict === 'fenced');
  expect(fenced).toMatchObject({ log: 'w-1', seq: 7 });
  const changed = records.map((record) => (record === fenced ? { ...record, verdict: 'ok' } : record));
  const unsigned = await checkedReport({
    exports: [archive.file(exportOf(queue.name, changed))],
    signed: null,
    trimmed: false,
  });
  expect(unsigned.faults[0]).toMatchObject({ rule: 'verdict', log: 'w-1', seq: 7 });
  expect(await firstFault(changed)).toMatchObject({ rule: 'root', log: 'w-1', seq: 5, upTo: 7 });
  expect(await checkedReport({ exports: [whole], signed: null, trimmed: false })).toMatchObject({ ok: true });
});

it('a verdict that is changed with all that is told of it is not the one that was signed', async () => {
  const changed = records.map((record) => {
    const { verdicts } = contentOf(record);
    const told = verdicts?.map((one) => (one.verdict === 'fenced' ? { ...one, verdict: 'ok' as const } : one));
    const honest = told === undefined ? record : edited(record, { verdicts: told });
    return record.verdict === 'fenced' ? { ...honest, verdict: 'ok' } : honest;
  });
  expect(await firstFault(resealed(changed))).toMatchObject({ rule: 'root', log: 'w-1', seq: 5, upTo: 7 });
});

it('a verdict that no record tells is not the one that was signed', async () => {
  const changed = replaced('w-1', 10, [{ ...find('w-1', 10), verdict: 'gone' }]);
  expect(await firstFault(changed)).toMatchObject({ rule: 'verdict', log: 'w-1', seq: 10 });
  const last = replaced('w-2', 6, [{ ...find('w-2', 6), verdict: 'already' }]);
  const message = 'record 2 of w-2 or a later one has another verdict than the one that was signed';
  expect(await firstFault(last)).toMatchObject({ rule: 'root', log: 'w-2', seq: 2, upTo: 6, message });
});

function copied(change: (directory: string, note: (number: number) => string) => void): string {
  const directory = join(archive.directory, `copy-${Math.random().toString(36).slice(2)}`);
  cpSync(archive.checkpoints, directory, { recursive: true });
  change(directory, (number) => join(directory, checkpointFileName(number)));
  return directory;
}

it('copied checkpoints hold as the others do', async () => {
  expect(await archive.verify(whole, { checkpoints: copied(() => undefined) })).toMatchObject({ ok: true });
});

it('replay an old checkpoint in place of a later one: the file is named', async () => {
  const replay = copied((_, note) => copyFileSync(note(3), note(5)));
  const report = await archive.verify(whole, { checkpoints: replay });
  expect(report.faults).toMatchObject([{ rule: 'checkpoint', file: join(replay, checkpointFileName(5)) }]);
});

it('replay old checkpoints with the log as it was then: one that was kept elsewhere tells', async () => {
  const last = join(archive.checkpoints, checkpointFileName(5));
  const replay = copied((_, note) => rmSync(note(5)));
  const then = archive.file(
    exportOf(
      queue.name,
      records.filter(({ log, seq }) => log === 'w-2' || seq <= 7),
    ),
  );
  expect(await archive.verify(then, { checkpoints: replay })).toMatchObject({ ok: true });
  const report = await archive.verify(then, { checkpoints: replay, known: [last] });
  expect(report.faults).toMatchObject([{ rule: 'known', file: last }]);
  expect(await archive.verify(whole, { known: [last] })).toMatchObject({ ok: true });
});

it('remove a checkpoint from the middle: the next one is named', async () => {
  const gap = copied((_, note) => rmSync(note(3)));
  const report = await archive.verify(whole, { checkpoints: gap });
  expect(report.faults[0]).toMatchObject({ rule: 'checkpoint', message: expect.stringContaining('000000000003.note') });
});

it('an unsigned checkpoint, and one by a wrong key of the same name', async () => {
  const unsigned = copied((_, note) => {
    const text = readFileSync(note(2), 'utf8');
    writeFileSync(note(2), text.slice(0, text.indexOf('\n\n') + 2));
  });
  const wrongKey = copied((_, note) => {
    const text = readFileSync(note(5), 'utf8');
    const forger = parsePrivateKey(makeKeyPair(archive.key.publicKey.name).privateText);
    writeFileSync(note(5), signNote(text.slice(0, text.indexOf('\n\n') + 1), forger));
  });
  for (const [directory, number] of [
    [unsigned, 2],
    [wrongKey, 5],
  ] as const) {
    const report = await archive.verify(whole, { checkpoints: directory });
    expect(report.faults).toMatchObject([{ rule: 'checkpoint', file: join(directory, checkpointFileName(number)) }]);
  }
});

it('remove all checkpoints, or call the queue by another name: nothing was signed of that', async () => {
  const none = copied((_, note) => {
    for (const number of [1, 2, 3, 4, 5]) rmSync(note(number));
  });
  expect((await archive.verify(whole, { checkpoints: none })).faults).toMatchObject([
    { rule: 'checkpoint', file: none },
  ]);
  const renamed = archive.file(exportOf('another', records));
  expect((await archive.verify(renamed)).faults).toMatchObject([{ rule: 'export', file: renamed, line: 1 }]);
  expect(await checkedReport({ exports: [renamed], signed: null, trimmed: false })).toMatchObject({ ok: true });
});
