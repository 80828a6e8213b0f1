// What the quickstart lays out on the host for a job to find, and the proof that none did.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Planted } from './samples.ts';

/** A file that every user of the host can read, and a listener on every address: only a sandbox keeps a job from them. */
export class Bait implements Planted {
  readonly secret = randomBytes(16).toString('hex');
  readonly canaryPath: string;
  readonly address: string;
  /** Connections that the listener accepted. */
  accepted = 0;
  readonly #directory: string;
  readonly #listener: Server;

  private constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'bullpen-canary-'));
    chmodSync(this.#directory, 0o755);
    this.canaryPath = join(this.#directory, 'canary.txt');
    writeFileSync(this.canaryPath, this.secret, { mode: 0o644 });
    this.address = outsideAddress();
    this.#listener = createServer((socket) => {
      this.accepted += 1;
      socket.destroy();
    });
  }

  static async plant(): Promise<Bait> {
    const bait = new Bait();
    await new Promise<void>((resolve, reject) => bait.#listener.once('error', reject).listen(0, '0.0.0.0', resolve));
    await bait.#mustBeReachable();
    return bait;
  }

  /** From outside of a sandbox both work: otherwise that they stay untouched would prove nothing. */
  async #mustBeReachable(): Promise<void> {
    const nobody = { uid: 65_534, gid: 65_534 };
    const read = spawnSync('/bin/cat', [this.canaryPath], { ...nobody, encoding: 'utf8' }).stdout;
    if (read !== this.secret) throw new Error(`an ordinary user of this host can't read ${this.canaryPath}`);
    for (const host of ['127.0.0.1', this.address]) await once(connect(this.port, host), 'close');
    if (this.accepted !== 2) throw new Error('the listener on the host does not count its connections');
    this.accepted = 0;
  }

  get port(): number {
    const at = this.#listener.address();
    if (at === null || typeof at === 'string') throw new Error('the listener has no port');
    return at.port;
  }

  async remove(): Promise<void> {
    await new Promise((resolve) => this.#listener.close(resolve));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function outsideAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((address) => address.family === 'IPv4' && !address.internal)?.address ?? '127.0.0.2';
}
