// The offline verifier: exports, checkpoints and a public key in; what is wrong, first thing first, out.

import { readFile } from 'node:fs/promises';
import { type CheckpointFiles, emptinessOf, type FiledCheckpoint, readCheckpoints } from './checkpoint-files.ts';
import { ExportReader } from './export-reader.ts';
import type { Fault } from './fault.ts';
import { sha256Hex } from './hashes.ts';
import type { PublicKey } from './keys.ts';
import { LogBook } from './log-book.ts';

/** What was signed, and by whom. */
export interface SignedState {
  /** Directory of the checkpoints. */
  readonly directory: string;
  readonly key: PublicKey;
  /** Files of checkpoints that were kept elsewhere: each must be one of the directory's. */
  readonly known: readonly string[];
}

export interface VerifyInput {
  /** Files of exports of one queue, each going on where the one before ends. */
  readonly exports: readonly string[];
  /** Null: only what the records say of each other is checked, which whoever can write Redis can make up. */
  readonly signed: SignedState | null;
  /** Whether logs may begin at a checkpoint: what was before is then taken on its word. */
  readonly trimmed: boolean;
}

/** What was found of one log. */
export interface LogReport {
  readonly log: string;
  /** First record that was checked, and the last. */
  readonly first: number;
  readonly last: number;
  /** Records up to here are as they were signed; 0: none. */
  readonly signed: number;
  /** Records that are not signed and whose verdict no later record tells. */
  readonly openVerdicts: number;
}

export interface AuditReport {
  readonly ok: boolean;
  /** Of which queue; null when no export says so. */
  readonly queue: string | null;
  readonly records: number;
  readonly logs: readonly LogReport[];
  /** Checkpoints that hold; null when none were given. */
  readonly checkpoints: number | null;
  /** At most one of each log, one of the checkpoints, one of the exports as files, in the order in which they were found. */
  readonly faults: readonly Fault[];
}

/** Checks everything that can be checked without Redis. Throws only what the file system refuses. */
export async function verifyAudit({ exports, signed, trimmed }: VerifyInput): Promise<AuditReport> {
  const files = signed === null ? null : await readCheckpoints(signed.directory, signed.key);
  const faults = signed === null || files === null ? [] : await faultsOfFiles(signed, files);
  const book = new LogBook(files?.checkpoints ?? [], trimmed);
  const reader = new ExportReader(book);
  for (const path of exports) {
    const fault = await reader.read(path);
    if (fault !== null) faults.push(fault);
  }
  faults.push(...book.end(reader.isWhole));
  return report(book, faults, files?.checkpoints ?? null);
}

/** Whoever asks for what was signed must not be answered by nothing. */
async function faultsOfFiles({ directory, known }: SignedState, files: CheckpointFiles): Promise<Fault[]> {
  const fault = files.fault ?? emptinessOf(directory, files);
  return [...(fault === null ? [] : [fault]), ...(await unknownAmong(known, files.hashes))];
}

async function unknownAmong(known: readonly string[], hashes: ReadonlySet<string>): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const file of known) {
    if (hashes.has(sha256Hex(await readFile(file)))) continue;
    const message = 'this checkpoint is not among those given: they are older, or others were signed';
    faults.push({ rule: 'known', message, log: null, seq: null, file, line: null });
  }
  return faults;
}

function report(book: LogBook, faults: Fault[], checkpoints: readonly FiledCheckpoint[] | null): AuditReport {
  const logs = book.walks.map(({ log, first, head, signed, openVerdicts }) => {
    return { log, first, last: head.seq, signed, openVerdicts };
  });
  const records = logs.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return {
    ok: faults.length === 0,
    queue: book.queue,
    records,
    logs,
    checkpoints: checkpoints?.length ?? null,
    faults,
  };
}
