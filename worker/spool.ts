// Results that could not be committed because Redis was away. A file is `bullpen-spool-v1 LENGTH SHA256\n` and then LENGTH
// bytes: a line of JSON that says whose result it is, the result, and the blobs it refers to. Written aside, synced, renamed: a
// file under its final name is whole, and one that is not says so by its length or hash. The hash is no proof of who wrote it: what is
// read is checked as any document from outside, and what it may do is what a worker may: commit a result of a job's current epoch.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DEAD_REASONS } from '../protocol/index.ts';
import type { Finish } from './finish.ts';

const MAGIC = 'bullpen-spool-v1';
const SUFFIX = '.result';
const NAME = /^([a-z2-7]{26})-(\d{1,9})\.result$/;
const ASIDE = '.part';
const SHA256 = /^[0-9a-f]{64}$/;

/** How much may wait: files, and bytes in all. */
export interface SpoolLimits {
  files: number;
  bytes: number;
}

export const SPOOL_LIMITS: SpoolLimits = { files: 10_000, bytes: 512 * 1024 * 1024 };

/** There is no room left; the result waits in memory only. */
export class SpoolFullError extends Error {
  readonly code = 'spool-full';
}

/** A file is torn or altered, or says something that no worker writes. */
export class SpoolCorruptError extends Error {
  readonly code = 'spool-corrupt';
}

/** What waits, and for which queue of which Redis: an instance name says neither. */
export interface Spooled {
  home: string;
  finish: Finish;
}

/** The results one instance keeps on disk. */
export class Spool {
  readonly #directory: string;
  readonly #limits: SpoolLimits;
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  private constructor(directory: string, limits: SpoolLimits) {
    this.#directory = directory;
    this.#limits = limits;
  }

  /** Opens (and makes, 0700) an instance's spool directory; counts what lies there. */
  static async open(directory: string, limits: SpoolLimits = SPOOL_LIMITS): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const spool = new Spool(directory, limits);
    for (const name of await readdir(directory)) {
      // Half of a result, by a worker that died while it wrote.
      if (name.endsWith(ASIDE)) await rm(join(directory, name), { force: true });
      else if (NAME.test(name)) spool.#count(name, (await stat(join(directory, name))).size);
    }
    return spool;
  }

  /** How much waits. */
  get size(): { files: number; bytes: number } {
    return { files: this.#sizes.size, bytes: this.#bytes };
  }

  /** Names of the files that wait. */
  async names(): Promise<string[]> {
    return (await readdir(this.#directory)).filter((name) => NAME.test(name));
  }

  /** Writes a result durably and answers the file's name. Throws SpoolFullError when the limits are reached. */
  async put(spooled: Spooled): Promise<string> {
    const name = `${spooled.finish.uid}-${spooled.finish.epoch}${SUFFIX}`;
    const bytes = encode(spooled);
    if (this.#sizes.size + 1 > this.#limits.files || this.#bytes + bytes.length > this.#limits.bytes) {
      throw new SpoolFullError(`the spool holds ${this.#sizes.size} results, ${this.#bytes} bytes: no room`);
    }
    this.#count(name, bytes.length);
    try {
      await writeWhole(this.#directory, name, bytes);
    } catch (error) {
      this.#forget(name);
      throw error;
    }
    return name;
  }

  /** Reads a result back. Throws SpoolCorruptError when the file is not what was written. */
  async read(name: string): Promise<Spooled> {
    return decode(await readBounded(join(this.#directory, name), this.#limits.bytes), name);
  }

  /** Removes a result that is committed, or one that nobody can read. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#directory, name), { force: true, recursive: true });
    this.#forget(name);
  }

  #count(name: string, bytes: number): void {
    this.#forget(name);
    this.#sizes.set(name, bytes);
    this.#bytes += bytes;
  }

  #forget(name: string): void {
    this.#bytes -= this.#sizes.get(name) ?? 0;
    this.#sizes.delete(name);
  }
}

/** The first line of the payload: the finish without its bytes, and how long these are, in their order. */
interface Head extends Omit<Finish, 'result' | 'blobs'> {
  home: string;
  lengths: number[];
}

function encode({ home, finish }: Spooled): Buffer {
  const { result, blobs, ...rest } = finish;
  const parts = [result, ...blobs];
  const head: Head = { home, ...rest, lengths: parts.map(({ length }) => length) };
  const payload = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...parts]);
  return Buffer.concat([Buffer.from(`${MAGIC} ${payload.length} ${hash(payload)}\n`), payload]);
}

function decode(bytes: Buffer, name: string): Spooled {
  const headerEnd = bytes.indexOf('\n');
  const [magic, length, sha256] = bytes.subarray(0, Math.max(0, headerEnd)).toString('latin1').split(' ');
  const payload = bytes.subarray(headerEnd + 1);
  if (magic !== MAGIC) throw new SpoolCorruptError(`${name}: not a spooled result`);
  if (Number(length) !== payload.length) throw new SpoolCorruptError(`${name}: ${payload.length} bytes, not ${length}`);
  if (hash(payload) !== sha256) throw new SpoolCorruptError(`${name}: the hash differs`);
  return unpack(payload, name);
}

function unpack(payload: Buffer, name: string): Spooled {
  let at = payload.indexOf('\n') + 1;
  const { home, lengths, ...rest } = readHead(payload.subarray(0, at).toString('utf8'), name);
  if (lengths.reduce((sum, length) => sum + length, at) !== payload.length) {
    throw new SpoolCorruptError(`${name}: its parts are not as long as it says`);
  }
  const parts = lengths.map((length) => {
    at += length;
    return payload.subarray(at - length, at);
  });
  const [result = Buffer.alloc(0), ...blobs] = parts;
  if (hash(result) !== rest.resultSha256) throw new SpoolCorruptError(`${name}: the hash of the result differs`);
  return { home, finish: { ...rest, result, blobs } };
}

function readHead(text: string, name: string): Head {
  const [, uid, epoch] = NAME.exec(name) ?? [];
  const head = parseHead(text);
  if (head === null) throw new SpoolCorruptError(`${name}: it does not say whose result it is`);
  if (head.uid !== uid || String(head.epoch) !== epoch)
    throw new SpoolCorruptError(`${name}: it is of another execution`);
  return head;
}

/** Null unless every field is of its kind: these are arguments of scripts and of audit records. */
function parseHead(text: string): Head | null {
  let head: Partial<Head>;
  try {
    head = JSON.parse(text) as Partial<Head>;
  } catch {
    return null;
  }
  if (typeof head !== 'object' || head === null) return null;
  const { home, uid, epoch, tenant, outcome, resultSha256, policySha256, layers, dead, accepted, lengths } = head;
  const { backend, refusedBy } = head;
  const isWhole =
    [home, uid, tenant, outcome].every((field) => typeof field === 'string') &&
    Number.isSafeInteger(epoch) &&
    isHash(resultSha256) &&
    (policySha256 === null || isHash(policySha256)) &&
    [backend, refusedBy].every((field) => field === null || typeof field === 'string') &&
    Array.isArray(layers) &&
    (dead === null || (typeof dead === 'string' && Object.hasOwn(DEAD_REASONS, dead))) &&
    typeof accepted === 'object' &&
    Array.isArray(lengths) &&
    lengths.every((length) => Number.isSafeInteger(length) && length >= 0);
  return isWhole ? (head as Head) : null;
}

function isHash(field: unknown): boolean {
  return typeof field === 'string' && SHA256.test(field);
}

/** A regular file that is no longer than all that may wait. */
async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error) => {
    throw error.code === 'ELOOP' ? new SpoolCorruptError(`${basename(path)}: a link`) : error;
  });
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new SpoolCorruptError(`${basename(path)}: no file`);
    if (facts.size > maxBytes) throw new SpoolCorruptError(`${basename(path)}: ${facts.size} bytes are too many`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function writeWhole(directory: string, name: string, bytes: Buffer): Promise<void> {
  const aside = join(directory, `${name}${ASIDE}`);
  try {
    await writeSynced(aside, bytes);
    await rename(aside, join(directory, name));
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  const parent = await open(directory, 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}

async function writeSynced(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
