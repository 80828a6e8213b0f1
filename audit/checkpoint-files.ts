// A directory of checkpoints: `000000000001.note` and on, each naming the one before, all signed by one key.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditFault } from '../schemas/types.ts';
import { type Checkpoint, logOf, parseCheckpoint } from './checkpoint.ts';
import { NO_HASH, sha256Hex } from './hashes.ts';
import type { PublicKey } from './keys.ts';
import { NOTE_MAX_BYTES, openNote } from './note.ts';

const FILE = /^[0-9]{12}\.note$/;

/** A checkpoint of a log, with where it was read. */
export interface FiledCheckpoint extends Checkpoint {
  readonly queue: string;
  readonly log: string;
  readonly file: string;
}

/** All checkpoints of a directory in their order, up to the first that is wrong. */
export interface CheckpointFiles {
  readonly checkpoints: readonly FiledCheckpoint[];
  /** SHA-256 (hex) of each file's bytes. */
  readonly hashes: ReadonlySet<string>;
  /** SHA-256 (hex) of the last file, 64 zeros when there is none: what the next one names. */
  readonly last: string;
  readonly fault: AuditFault | null;
}

/** Name of the checkpoint with this number, from 1. */
export function checkpointFileName(number: number): string {
  return `${String(number).padStart(12, '0')}.note`;
}

/** Reads and checks a directory. Throws what the file system refuses. */
export async function readCheckpoints(directory: string, key: PublicKey): Promise<CheckpointFiles> {
  const reader = new Reader(key);
  const names = (await readdir(directory)).filter((name) => FILE.test(name)).sort();
  for (const name of names) {
    const wrong = await reader.take(directory, name);
    if (wrong !== null)
      return reader.read({ rule: 'checkpoint', message: wrong, ...NOWHERE, file: join(directory, name) });
  }
  return reader.read(null);
}

/** What is wrong with a directory in which something should have been signed; null: there is at least one checkpoint, or another fault. */
export function emptinessOf(directory: string, { checkpoints, fault }: CheckpointFiles): AuditFault | null {
  if (checkpoints.length > 0 || fault !== null) return null;
  return { rule: 'checkpoint', message: 'there is no checkpoint here', ...NOWHERE, file: directory };
}

const NOWHERE = { log: null, seq: null, line: null };

class Reader {
  readonly #key: PublicKey;
  readonly #checkpoints: FiledCheckpoint[] = [];
  readonly #hashes = new Set<string>();
  readonly #sizes = new Map<string, number>();
  #last = NO_HASH;

  constructor(key: PublicKey) {
    this.#key = key;
  }

  read(fault: AuditFault | null): CheckpointFiles {
    return { checkpoints: this.#checkpoints, hashes: this.#hashes, last: this.#last, fault };
  }

  /** Takes the next file; says what is wrong with it. */
  async take(directory: string, name: string): Promise<string | null> {
    const expected = checkpointFileName(this.#checkpoints.length + 1);
    if (name !== expected) return `${expected} is not there`;
    const file = join(directory, name);
    if ((await stat(file)).size > NOTE_MAX_BYTES) return `it is longer than ${NOTE_MAX_BYTES} bytes`;
    const bytes = await readFile(file);
    const note = openNote(bytes, this.#key);
    if ('refused' in note) return note.refused;
    const checkpoint = parseCheckpoint(note.text);
    const place = checkpoint && logOf(checkpoint.origin, this.#key.name);
    if (checkpoint === null || place === null) return 'it is signed, and no checkpoint of ours';
    if (checkpoint.previous !== this.#last)
      return 'it does not follow the checkpoint before: one was replaced, or this is an older one';
    if (checkpoint.size <= (this.#sizes.get(checkpoint.origin) ?? 0)) return 'its log is not longer than it was before';
    this.#sizes.set(checkpoint.origin, checkpoint.size);
    this.#checkpoints.push({ ...checkpoint, ...place, file });
    this.#last = sha256Hex(bytes);
    this.#hashes.add(this.#last);
    return null;
  }
}
