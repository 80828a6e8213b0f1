// The file of an export: a line that says where each log begins, a line for each record, a line that says where each log ends.

import { isUtf8 } from 'node:buffer';

/** The last record of a log: where an export ends, and where the next one goes on. */
export interface LogHead {
  readonly log: string;
  readonly seq: number;
  readonly sha256: string;
}

/** One record as it lies in Redis. Nothing of it is believed. */
export interface ExportedRecord extends LogHead {
  readonly verdict: string;
  /** The bytes that were hashed. */
  readonly bytes: Uint8Array;
}

/** No line of an export is longer: a record has at most 64 KiB, and a queue a few thousand logs at most. */
export const LINE_MAX_BYTES = 2 * 1024 * 1024;

const HEADER = '{"kind":"audit-export","version":1,';
const RECORD =
  /^\{"log":"([A-Za-z0-9][A-Za-z0-9._-]{0,63})","seq":([1-9][0-9]{0,15}),"sha256":"([0-9a-f]{64})","verdict":"([a-z]{1,32})","record":(\{.*\})\}$/;
const PLACE = /^\{"log":"([A-Za-z0-9][A-Za-z0-9._-]{0,63})","seq":([1-9][0-9]{0,15}),/;
const NEWLINE = 0x0a;

/** The first line. `after` is where each log begins that doesn't begin with its first record. */
export function headerLine(queue: string, after: readonly LogHead[]): string {
  return `${HEADER}"queue":${JSON.stringify(queue)},"after":${headsText(after)}}\n`;
}

/** A record's line: its bytes as they are where they are one line of text, else as base64, which no verifier accepts. */
export function recordLine({ log, seq, sha256, verdict, bytes }: ExportedRecord): Buffer {
  const place = `{"log":${JSON.stringify(log)},"seq":${seq},"sha256":${JSON.stringify(sha256)}`;
  const known = `${place},"verdict":${JSON.stringify(verdict)},`;
  const isText = isUtf8(bytes) && !bytes.includes(NEWLINE);
  if (!isText) return Buffer.from(`${known}"base64":"${Buffer.from(bytes).toString('base64')}"}\n`);
  return Buffer.concat([Buffer.from(`${known}"record":`), bytes, Buffer.from('}\n')]);
}

/** The last line. `sha256` is that of everything before it. */
export function endLine(end: { records: number; heads: readonly LogHead[]; sha256: string }): string {
  return `{"records":${end.records},"heads":${headsText(end.heads)},"sha256":"${end.sha256}"}\n`;
}

/** Queue and beginnings of a first line; null when it is none. */
export function parseHeader(line: Uint8Array): { queue: string; after: LogHead[] } | null {
  const text = Buffer.from(line).toString();
  if (!text.startsWith(HEADER)) return null;
  const { queue, after } = (parseJson(text) ?? {}) as { queue?: unknown; after?: unknown };
  const heads = Array.isArray(after) ? after.map(readHead) : [null];
  const known = heads.filter((head) => head !== null);
  // Written again it must be the same: there is one spelling of each header.
  const isOne = typeof queue === 'string' && known.length === heads.length && headerLine(queue, known) === `${text}\n`;
  return isOne ? { queue, after: known } : null;
}

/** Where each log ends, by the last line of an export; null when it is none. */
export function parseEnd(line: Uint8Array): LogHead[] | null {
  const { heads } = (parseJson(Buffer.from(line).toString()) ?? {}) as { heads?: unknown };
  const known = Array.isArray(heads) ? heads.map(readHead) : [null];
  return known.includes(null) ? null : known.filter((head) => head !== null);
}

/** Whether a line can only be the last one. */
export function isEnd(line: Uint8Array): boolean {
  return Buffer.from(line.subarray(0, 11)).toString('latin1') === '{"records":';
}

/** A record's line, read; null when it is none. */
export function parseRecordLine(line: Buffer): ExportedRecord | null {
  const [, log = '', seq, sha256 = '', verdict = '', record = ''] = RECORD.exec(line.toString('latin1')) ?? [];
  if (seq === undefined || !Number.isSafeInteger(Number(seq))) return null;
  return { log, seq: Number(seq), sha256, verdict, bytes: line.subarray(line.length - 1 - record.length, -1) };
}

/** Where a line that is no record's says it belongs; null when it says nothing of the kind. */
export function placeOf(line: Buffer): { log: string; seq: number } | null {
  const [, log, seq] = PLACE.exec(line.subarray(0, 256).toString('latin1')) ?? [];
  return log === undefined ? null : { log, seq: Number(seq) };
}

/** Heads in the one order that exports have. */
export function sortHeads(heads: Iterable<LogHead>): LogHead[] {
  return [...heads].sort((one, other) => (one.log < other.log ? -1 : 1));
}

function headsText(heads: readonly LogHead[]): string {
  const texts = sortHeads(heads).map(({ log, seq, sha256 }) => JSON.stringify({ log, seq, sha256 }));
  return `[${texts.join(',')}]`;
}

function readHead(value: unknown): LogHead | null {
  const { log, seq, sha256 } = (value ?? {}) as Partial<LogHead>;
  const isHead = typeof log === 'string' && Number.isSafeInteger(seq) && typeof sha256 === 'string';
  return isHead && seq !== undefined && seq > 0 ? { log, seq, sha256 } : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
