// The canaries that take system calls which Node doesn't have, watched by a process of their own.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('witness.py', import.meta.url));

/** Files that all jobs share: interpreters and libraries, by path: sha256 by way of the page cache, and past it. */
export type SharedFiles = Record<string, [cached: string, direct: string]>;

const SHARED = ['/usr/bin/python3', '/usr/bin/bash', '/usr/bin/env', '/usr/lib/x86_64-linux-gnu/libc.so.6'];

interface Report {
  /** Connections to the vsock listener. */
  vsock: number;
  /** What the key holds now, or why it can't be read. Null where there are no keys. */
  key: string | null;
  hashes: SharedFiles;
}

export class Witness {
  readonly keyName: string;
  /** Null where this kernel has no vsock. */
  readonly vsockPort: number | null;
  readonly hasKey: boolean;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  private constructor(
    process: { child: ChildProcessByStdio<Writable, Readable, null>; lines: Interface },
    planted: { keyName: string; vsockPort: number | null; key: number | null },
  ) {
    this.#child = process.child;
    this.#lines = process.lines;
    this.keyName = planted.keyName;
    this.vsockPort = planted.vsockPort;
    this.hasKey = planted.key !== null;
  }

  static async call(secret: string): Promise<Witness> {
    const keyName = `bullpen-canary-${randomBytes(6).toString('hex')}`;
    const child = spawn('/usr/bin/python3', ['-IB', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout);
    child.stdin.write(`${JSON.stringify({ key: keyName, secret })}\n`);
    const planted = JSON.parse(await nextLine(lines)) as { vsockPort: number | null; key: number | null };
    return new Witness({ child, lines }, { keyName, ...planted });
  }

  async report(): Promise<Report> {
    this.#child.stdin.write(`${JSON.stringify({ hash: SHARED })}\n`);
    return JSON.parse(await nextLine(this.#lines)) as Report;
  }

  async dismiss(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}

async function nextLine(lines: Interface): Promise<string> {
  const signal = AbortSignal.timeout(20_000);
  return String((await once(lines, 'line', { signal }))[0]);
}
