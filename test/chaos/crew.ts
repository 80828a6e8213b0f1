import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forkserversOf } from '../helpers/processes.ts';
import { WorkerProcess } from '../helpers/worker-process.ts';

/** Some workers of one queue on one host: who falls is replaced, and all that any of them wrote is kept. */
export class Crew {
  readonly all: WorkerProcess[] = [];
  /** Forkservers of workers that were killed. */
  readonly orphans: number[] = [];
  readonly #config: { redis: string; queue: string };
  readonly #directory = mkdtempSync(join(tmpdir(), 'bullpen-chaos-'));
  #living: WorkerProcess[] = [];

  constructor(config: { redis: string; queue: string }) {
    this.#config = config;
  }

  get living(): readonly WorkerProcess[] {
    return this.#living;
  }

  hire(): void {
    const runDir = join(this.#directory, 'run');
    const config = { ...this.#config, runDir, slots: 4, lockMs: 3000, stalledMs: 1000, drainMs: 1000 };
    const worker = WorkerProcess.start(config, join(this.#directory, `${this.all.length}`));
    this.all.push(worker);
    this.#living.push(worker);
  }

  /** Ends a worker in one way or the other; another takes its place. */
  replace(worker: WorkerProcess, signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#living = this.#living.filter((other) => other !== worker);
    if (signal === 'SIGKILL') this.orphans.push(...forkserversOf(worker.pid));
    worker.kill(signal);
    this.hire();
  }

  /** Only of a worker that serves: one that loses it while it still tries its host out takes the host for unfit, and says so. */
  killForkserver(worker: WorkerProcess): void {
    if (!worker.log().includes('"msg":"serving"')) return;
    for (const pid of forkserversOf(worker.pid)) process.kill(pid, 'SIGKILL');
  }

  /** Ends all of them in order; answers how each ended. */
  async dismiss(): Promise<(number | NodeJS.Signals)[]> {
    const ends = await Promise.all(this.#living.map((worker) => worker.stop()));
    await Promise.all(this.all.map((worker) => worker.exited));
    this.#living = [];
    return ends;
  }

  /** What is no line of a log: crashes, warnings of Node, rejections that nobody handled. */
  outcries(): string[] {
    const lines = this.all.flatMap((worker) => worker.log().split('\n'));
    return lines.filter((line) => line !== '' && !line.startsWith('{"level":'));
  }

  clear(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
