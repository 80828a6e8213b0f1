// One worker process of one's own, with its configuration, log, run directory and temporary directory in one place.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Producer } from '../producer/index.ts';

const WORKER = fileURLToPath(new URL('../worker/cli/main.ts', import.meta.url));
const LIVE_WITHIN_MS = 30_000;

export interface PrivateWorkerOptions {
  /** Fields of the worker configuration; `runDir` is `DIRECTORY/run` where it is silent. */
  config: Record<string, unknown>;
  /** Existing directory that takes everything the worker writes, except its log. */
  directory: string;
  /** Path of its log, which is appended to. */
  log: string;
}

/** A worker process that ends with this one. */
export class PrivateWorker {
  readonly configPath: string;
  readonly #log: string;
  readonly #child: ChildProcess;
  readonly #endWithUs = () => void this.#child.kill('SIGKILL');

  /** Writes its configuration and starts it, in a process group of its own: a Ctrl-C is for us to handle. */
  constructor({ config, directory, log }: PrivateWorkerOptions) {
    this.#log = log;
    this.configPath = join(directory, 'worker.json');
    const temporary = join(directory, 'tmp');
    mkdirSync(temporary, { recursive: true });
    mkdirSync(join(directory, 'run'), { recursive: true, mode: 0o700 });
    writeFileSync(this.configPath, JSON.stringify({ version: 1, runDir: join(directory, 'run'), ...config }, null, 2));
    const output = openSync(log, 'a');
    this.#child = spawn(process.execPath, [WORKER, 'start', '--config', this.configPath], {
      stdio: ['ignore', output, output],
      env: { ...process.env, TMPDIR: temporary },
      detached: true,
    });
    closeSync(output);
    process.on('exit', this.#endWithUs);
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Returns once the producer's queue counts it as alive. Throws with the end of its log when it dies first or takes over 30 s. */
  async live(producer: Producer): Promise<void> {
    const deadline = Date.now() + LIVE_WITHIN_MS;
    while ((await producer.stats()).workers.length === 0) {
      if (this.ended || Date.now() > deadline) throw new Error(`the worker did not come up:\n${this.#logTail()}`);
      await sleep(20);
    }
  }

  /** Drains it (SIGTERM) and waits for its end; SIGKILL after `patienceMs`. True when it ended by itself with status 0. */
  async stop(patienceMs: number): Promise<boolean> {
    if (!this.ended) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const forced = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs);
      await exit;
      clearTimeout(forced);
    }
    process.off('exit', this.#endWithUs);
    return this.#child.exitCode === 0;
  }

  #logTail(): string {
    return readFileSync(this.#log, 'utf8').trim().split('\n').slice(-10).join('\n');
  }
}
