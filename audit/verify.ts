// The offline verifier: exports, checkpoints and a public key in; what is wrong, first thing first, out.

import { readFile } from 'node:fs/promises';
import type { AuditFault, AuditReport } from '../schemas/types.ts';
import { type CheckpointFiles, emptinessOf, type FiledCheckpoint, readCheckpoints } from './checkpoint-files.ts';
import { ExportReader } from './export-reader.ts';
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

/** Faults beyond these are not told: the first ones matter. */
const FAULTS_MAX = 1_000;

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
async function faultsOfFiles({ directory, known }: SignedState, files: CheckpointFiles): Promise<AuditFault[]> {
  const fault = files.fault ?? emptinessOf(directory, files);
  return [...(fault === null ? [] : [fault]), ...(await unknownAmong(known, files.hashes))];
}

async function unknownAmong(known: readonly string[], hashes: ReadonlySet<string>): Promise<AuditFault[]> {
  const faults: AuditFault[] = [];
  for (const file of known) {
    if (hashes.has(sha256Hex(await readFile(file)))) continue;
    const message = 'this checkpoint is not among those given: they are older, or others were signed';
    faults.push({ rule: 'known', message, log: null, seq: null, file, line: null });
  }
  return faults;
}

function report(book: LogBook, faults: AuditFault[], checkpoints: readonly FiledCheckpoint[] | null): AuditReport {
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
    faults: faults.slice(0, FAULTS_MAX),
  };
}
