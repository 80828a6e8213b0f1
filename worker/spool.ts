// Results that could not be committed because Redis was away. A file is `bullpen-spool-v1 LENGTH SHA256\n` and then LENGTH
// bytes: a line of JSON that says whose result it is, the result, and the blobs it refers to. Written aside, synced, renamed: a
// file under its final name is whole, and one that is not says so by its length or hash.

import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finish } from './finish.ts';

const MAGIC = 'bullpen-spool-v1';
const SUFFIX = '.result';
const NAME = /^[a-z2-7]{26}-\d{1,9}\.result$/;

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

/** A file is torn or altered. */
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
    for (const name of await spool.names()) spool.#count(name, (await stat(join(directory, name))).size);
    return spool;
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
    return decode(await readFile(join(this.#directory, name)), name);
  }

  /** Removes a result that is committed, or one that nobody can read. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#directory, name), { force: true });
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
  return unpack(payload);
}

/** The payload has its hash: it is what `encode` made. */
function unpack(payload: Buffer): Spooled {
  let at = payload.indexOf('\n') + 1;
  const { home, lengths, ...rest } = JSON.parse(payload.subarray(0, at).toString('utf8')) as Head;
  const parts = lengths.map((length) => {
    at += length;
    return payload.subarray(at - length, at);
  });
  const [result = Buffer.alloc(0), ...blobs] = parts;
  return { home, finish: { ...rest, result, blobs } };
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function writeWhole(directory: string, name: string, bytes: Buffer): Promise<void> {
  const aside = join(directory, `${name}.part`);
  const file = await open(aside, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, join(directory, name));
  const parent = await open(directory, 'r');
  try {
    await parent.sync();
  } finally {
    await parent.close();
  }
}
