// A job of another tenant, alive beside those under test: its file is a canary.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Execution } from '../../worker/engine.ts';
import { stateOf } from './canaries.ts';

const NAME = 'bullpen-canary';

/** The job: it holds the secret in a file, its environment and its command line, and sleeps as long as it may. */
export function neighbourJob(secret: string): object {
  return {
    kind: 'job',
    version: 1,
    runtime: 'bash',
    command: ['/bin/sleep', '600'],
    env: { BULLPEN_CANARY: secret },
    files: [{ path: NAME, text: secret }],
    policy: { version: 1, limits: { wallTimeMs: 600_000 } },
  };
}

export class Neighbour {
  readonly pid: number;
  readonly #execution: Execution;
  readonly #secret: string;

  private constructor(pid: number, execution: Execution, secret: string) {
    this.pid = pid;
    this.#execution = execution;
    this.#secret = secret;
  }

  /** Waits until the program runs. */
  static async settle(execution: Execution, secret: string): Promise<Neighbour> {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(5)) {
      const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, secret));
      if (pid !== undefined) return new Neighbour(Number(pid), execution, secret);
    }
    throw new Error('the neighbour does not run');
  }

  /** What was done to it, a line each. */
  touched(): string[] {
    const path = `/proc/${this.pid}/root/work/${NAME}`;
    return [
      ...(stateOf(this.pid) === 'S' ? [] : ['the neighbour is not sleeping']),
      ...(readOr(path) === this.#secret ? [] : [`the neighbour's file: ${readOr(path)}`]),
    ];
  }

  async leave(): Promise<void> {
    this.#execution.kill('cancelled');
    await this.#execution.wait();
  }
}

function holds(pid: string, secret: string): boolean {
  return (
    readOr(`/proc/${pid}/comm`) === 'sleep\n' && readOr(`/proc/${pid}/environ`).includes(`BULLPEN_CANARY=${secret}`)
  );
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
