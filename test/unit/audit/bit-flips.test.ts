// One flipped bit, anywhere in an export or in its checkpoints: found, and never anything but a report.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkpointFileName } from '../../../audit/checkpoint-files.ts';
import { openNote } from '../../../audit/note.ts';
import { verifyAudit } from '../../../audit/verify.ts';
import { useRedis } from '../protocol/bench-queue.ts';
import { Archive } from './archive.ts';

const FLIPS = 400;

const bench = useRedis();
let archive: Archive;
let bytes: Buffer;

beforeAll(async () => {
  const queue = bench.queue();
  archive = await Archive.of(queue);
  bytes = readFileSync(await archive.export(queue));
});

afterAll(() => archive.remove());

function flipped(original: Buffer, bit: number): Buffer {
  const copy = Buffer.from(original);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** Bits spread over the bytes by an odd stride, which meets all eight places in a byte. */
function bitsOf(length: number): number[] {
  const stride = Math.max(1, Math.floor((length * 8) / FLIPS) - 1) | 1;
  return Array.from({ length: Math.floor((length * 8) / stride) }, (_, n) => n * stride);
}

async function verifies(changed: Buffer): Promise<boolean> {
  const path = archive.file(changed);
  const report = await archive.verify(path);
  rmSync(path);
  return report.ok;
}

it('a flipped bit of an export is found, wherever it is', async () => {
  expect(await verifies(bytes)).toBe(true);
  const bits = bitsOf(bytes.length);
  expect(bits.length).toBeGreaterThanOrEqual(FLIPS);
  const missed: number[] = [];
  for (const bit of bits) if (await verifies(flipped(bytes, bit))) missed.push(bit);
  expect(missed).toEqual([]);
});

it('every flipped bit of the last line is found, and most of its records by name without any checkpoint', async () => {
  const end = bytes.subarray(0, -1).lastIndexOf('\n') + 1;
  for (let bit = end * 8; bit < bytes.length * 8; bit += 13) expect(await verifies(flipped(bytes, bit))).toBe(false);
  const record = bytes.indexOf('"record":') + 20;
  const path = archive.file(flipped(bytes, record * 8));
  const report = await verifyAudit({ exports: [path], signed: null, trimmed: false });
  expect(report.faults[0]).toMatchObject({ log: 'w-1', seq: 1, line: 2 });
});

it('a flipped bit of a checkpoint is found, wherever it is', async () => {
  const whole = archive.file(bytes);
  const missed: string[] = [];
  for (const name of readdirSync(archive.checkpoints)) {
    const file = join(archive.checkpoints, name);
    const note = readFileSync(file);
    for (let bit = 0; bit < note.length * 8; bit += 61) {
      writeFileSync(file, flipped(note, bit));
      if ((await archive.verify(whole)).ok) missed.push(`${name} ${bit}`);
    }
    writeFileSync(file, note);
  }
  expect(missed).toEqual([]);
  expect((await archive.verify(whole)).ok).toBe(true);
});

it('no note opens with any of its bits flipped', () => {
  const note = readFileSync(join(archive.checkpoints, checkpointFileName(2)));
  const key = archive.key.publicKey;
  expect(openNote(note, key)).toHaveProperty('text');
  const opened: number[] = [];
  for (let bit = 0; bit < note.length * 8; bit++) if ('text' in openNote(flipped(note, bit), key)) opened.push(bit);
  expect(opened).toEqual([]);
});
