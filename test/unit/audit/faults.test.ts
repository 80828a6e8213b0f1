// Each rule of the verifier that an intruder with Redis or with the files can break, by the smallest thing that breaks it alone.

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Checkpoint, checkpointText, parseCheckpoint } from '../../../audit/checkpoint.ts';
import { checkpointFileName, readCheckpoints } from '../../../audit/checkpoint-files.ts';
import { type ExportedRecord, endLine, headerLine } from '../../../audit/export-format.ts';
import { recordHash, sha256Hex } from '../../../audit/hashes.ts';
import { openNote, signNote } from '../../../audit/note.ts';
import type { AuditReport } from '../../../schemas/types.ts';
import { type TestQueue, useRedis } from '../protocol/bench-queue.ts';
import { Archive, checkedReport, edited, exportOf, recordsOf } from './archive.ts';

const bench = useRedis();
let queue: TestQueue;
let archive: Archive;
let whole: string;
let text: string;
let records: ExportedRecord[];

beforeAll(async () => {
  queue = bench.queue();
  archive = await Archive.of(queue);
  whole = await archive.export(queue);
  text = readFileSync(whole, 'utf8');
  records = recordsOf(whole);
});

afterAll(() => archive.remove());

/** What is said of an export without checkpoints. */
function verifyAlone(bytes: Uint8Array | string): Promise<AuditReport> {
  return checkedReport({ exports: [archive.file(Buffer.from(bytes))], signed: null, trimmed: false });
}

function first(): ExportedRecord {
  const [record] = records;
  if (record === undefined) throw new Error('an empty export');
  return record;
}

/** The export of one record in the place of the first, its hash made right. */
function alone(record: ExportedRecord): Buffer {
  return exportOf(queue.name, [{ ...record, sha256: recordHash(record.bytes) }]);
}

it('the first record alone holds', async () => {
  expect(await verifyAlone(alone(first()))).toMatchObject({ ok: true, records: 1, checkpoints: null });
});

it('bytes that are not canonical', async () => {
  const spaced = Buffer.from(Buffer.from(first().bytes).toString().replace('{', '{ '));
  expect((await verifyAlone(alone({ ...first(), bytes: spaced }))).faults[0]).toMatchObject({
    rule: 'canonical',
    seq: 1,
  });
});

it('a record that belongs to another place or log than it lies in', async () => {
  const moved = alone(edited(first(), { seq: 2 }));
  expect((await verifyAlone(moved)).faults[0]).toMatchObject({ rule: 'record', log: 'w-1', seq: 1 });
  const other = alone(edited(first(), { log: 'w-9' }));
  expect((await verifyAlone(other)).faults[0]).toMatchObject({ rule: 'record', log: 'w-1', seq: 1 });
});

it('a record that tells of itself or of what comes after it', async () => {
  const knowing = alone(edited(first(), { verdicts: [{ seq: 1, verdict: 'ok' }] }));
  expect((await verifyAlone(knowing)).faults[0]).toMatchObject({ rule: 'record', seq: 1 });
});

it('a verdict that its event cannot have, or that there is none of', async () => {
  expect((await verifyAlone(alone({ ...first(), verdict: 'fenced' }))).faults[0]).toMatchObject({
    rule: 'verdict',
    seq: 1,
  });
  expect((await verifyAlone(alone({ ...first(), verdict: 'toString' }))).faults[0]).toMatchObject({ rule: 'line' });
});

it('files that are no exports, and exports that are not whole', async () => {
  const lines = text.split('\n');
  const [header = '', line = ''] = lines;
  const bad: [string, number][] = [
    ['', 0],
    ['\n', 1],
    [`${line}\n`, 1],
    [text.slice(0, -1), lines.length - 1],
    [lines.slice(0, -2).join('\n').concat('\n'), lines.length - 2],
    [`${text}\n`, lines.length],
    [text.replace(header, header.replace('"version":1', '"version":2')), 1],
    [text.replace(header, header.replace(/"after":\[\]/, '"after":[{}]')), 1],
    [text.replace(header, `${header} `), 1],
  ];
  for (const [content, number] of bad) {
    const { ok, faults } = await verifyAlone(content);
    expect([ok, faults[0]?.rule, faults[0]?.line]).toEqual([false, expect.stringMatching(/^(export|line)$/), number]);
  }
});

it('a last line that says other than what was before it', async () => {
  const end = text.trimEnd().split('\n').at(-1) ?? '';
  for (const lie of [
    end.replace(/"records":16/, '"records":17'),
    end.replace(/"seq":10/, '"seq":11'),
    end.replace(/,"heads".*\]/, ''),
  ]) {
    const { faults } = await verifyAlone(text.replace(end, lie));
    expect(faults).toMatchObject([{ rule: 'export', line: 18 }]);
  }
});

it('an export of another queue after this one', async () => {
  const other = headerLine('other', []);
  const file = archive.file(
    Buffer.from(other + endLine({ records: 0, heads: [], sha256: sha256Hex(Buffer.from(other)) })),
  );
  expect(await checkedReport({ exports: [file], signed: null, trimmed: false })).toMatchObject({
    ok: true,
    queue: 'other',
  });
  const both = await checkedReport({ exports: [whole, file], signed: null, trimmed: false });
  expect(both.faults).toMatchObject([
    { rule: 'export', file, line: 1, message: expect.stringContaining('queue other') },
  ]);
});

/** A copy of the checkpoints with one more, signed by their key. */
async function withAnother(change: (latest: Checkpoint, last: string) => string): Promise<string> {
  const directory = join(archive.directory, `signed-${sha256Hex(Buffer.from(String(Math.random()))).slice(0, 8)}`);
  cpSync(archive.checkpoints, directory, { recursive: true });
  const { checkpoints, last } = await readCheckpoints(directory, archive.key.publicKey);
  const latest = checkpoints.at(-1);
  if (latest === undefined) throw new Error('no checkpoint');
  const note = signNote(change(latest, last), archive.key);
  writeFileSync(join(directory, checkpointFileName(checkpoints.length + 1)), note);
  return directory;
}

async function checkpointFault(change: (latest: Checkpoint, last: string) => string) {
  const { faults } = await archive.verify(whole, { checkpoints: await withAnother(change) });
  return faults[0];
}

/** The state of a log that has one record more, as nobody has seen it. */
function grown(latest: Checkpoint, previous: string): Checkpoint {
  const tree = latest.tree.copy();
  tree.append(Buffer.alloc(32));
  return { ...latest, size: tree.size, root: tree.root(), tree, previous };
}

it('what the right key signed and cannot be: the log is shorter, says the verifier', async () => {
  const fault = await checkpointFault((latest, last) => checkpointText(grown(latest, last)));
  expect(fault).toMatchObject({ rule: 'truncated', log: 'w-1', seq: 11 });
});

it('a checkpoint of the right key that does not grow, follows another, or is of no log', async () => {
  const changes: ((latest: Checkpoint, last: string) => string)[] = [
    (latest, last) => checkpointText({ ...latest, previous: last }),
    (latest) => checkpointText(grown(latest, 'a'.repeat(64))),
    (latest, last) => checkpointText({ ...grown(latest, last), origin: 'somebody.else/q/w-1' }),
    (latest, last) => checkpointText({ ...grown(latest, last), origin: 'audit.example/pens/q/w/1' }),
    () => 'a text\n',
  ];
  for (const change of changes) expect(await checkpointFault(change)).toMatchObject({ rule: 'checkpoint' });
});

it('a checkpoint whose subtrees do not make its root is none', () => {
  const note = openNote(readFileSync(join(archive.checkpoints, checkpointFileName(1))), archive.key.publicKey);
  const said = 'text' in note ? note.text : '';
  expect(parseCheckpoint(said)).toMatchObject({ size: 4, origin: `audit.example/pens/${queue.name}/w-1` });
  expect(parseCheckpoint(said.replace(/\n4\n/, '\n3\n'))).toBeNull();
  expect(parseCheckpoint(said.replace(/\n4\n/, '\n5\n'))).toBeNull();
  expect(parseCheckpoint(`${said}and more\n`)).toBeNull();
});

it('more logs than any queue has are refused, once', async () => {
  const many = Array.from({ length: 10_003 }, (_, n) => {
    const record = edited(first(), { log: `w-${n}` });
    return { ...record, log: `w-${n}`, sha256: recordHash(record.bytes) };
  });
  const { faults, logs } = await verifyAlone(exportOf(queue.name, many));
  expect(faults).toMatchObject([{ rule: 'export', line: 10_002, message: 'there are more than 10000 logs' }]);
  expect(logs).toHaveLength(10_000);
});
