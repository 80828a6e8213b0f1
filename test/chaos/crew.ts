import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, descendantsOf, forkserversOf, isAlive } from '../helpers/processes.ts';
import { WorkerProcess } from '../helpers/worker-process.ts';

const SETTINGS = { slots: 4, lockMs: 3000, stalledMs: 1000, drainMs: 1000 };
/** Whom sandboxes belong to: a block that nobody else is likely to use, so that a process of one of these users is ours. */
const UIDS = { first: 1_000_000 + (process.pid % 1000) * 4096, count: 4096 };
/** How long to look for what should be dead. */
const MOURNING_MS = 20_000;

/** Some workers of one queue on one host: who falls is replaced, and all that any of them wrote is kept. */
export class Crew {
  readonly all: WorkerProcess[] = [];
  readonly uids = UIDS;
  readonly directory = mkdtempSync(join(tmpdir(), 'bullpen-chaos-'));
  /** What all workers of the crew share: locks, uids, results that wait. */
  readonly runDir = join(this.directory, 'run');
  /** Of each worker and forkserver that was killed: how long the last process below it lived on, in milliseconds. */
  readonly aftermathsMs: number[] = [];
  readonly #config: { redis: string; queue: string; [field: string]: unknown };
  readonly #mourning: Promise<void>[] = [];
  #living: WorkerProcess[] = [];
  readonly #endWithUs = () => {
    for (const worker of this.#living) worker.kill('SIGKILL');
  };

  constructor(config: { redis: string; queue: string; [field: string]: unknown }) {
    this.#config = { ...SETTINGS, uids: UIDS, ...config };
    mkdirSync(this.runDir, { mode: 0o700 });
    process.on('exit', this.#endWithUs);
  }

  get living(): readonly WorkerProcess[] {
    return this.#living;
  }

  hire(): void {
    const home = join(this.directory, `${this.all.length}`);
    const worker = WorkerProcess.start({ ...this.#config, runDir: this.runDir }, home);
    this.all.push(worker);
    this.#living.push(worker);
  }

  /** Ends a worker in one way or the other; another takes its place. */
  replace(worker: WorkerProcess, signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#living = this.#living.filter((other) => other !== worker);
    if (signal === 'SIGKILL') this.#mourn(descendantsOf(worker.pid));
    worker.kill(signal);
    this.hire();
  }

  /** Only of a worker that serves: one that loses it while it still tries its host out takes the host for unfit, and says so. */
  killForkserver(worker: WorkerProcess): boolean {
    if (!this.#serves(worker)) return false;
    for (const pid of forkserversOf(worker.pid)) {
      this.#mourn(descendantsOf(pid));
      kill(pid, 'SIGKILL');
    }
    return true;
  }

  /** What starts forkservers is gone too: the worker can run nothing any more and ends; another takes its place. */
  killShim(worker: WorkerProcess): boolean {
    if (!this.#serves(worker)) return false;
    this.#living = this.#living.filter((other) => other !== worker);
    const below = descendantsOf(worker.pid);
    for (const pid of childrenOf(worker.pid)) kill(pid, 'SIGKILL');
    this.#mourn(below);
    this.hire();
    return true;
  }

  /** PID 1 of a sandbox, or a clerk: whatever is the forkserver's child just now. */
  killSandbox(worker: WorkerProcess, chance: number): boolean {
    const inits = forkserversOf(worker.pid).flatMap(childrenOf);
    const victim = inits[Math.floor(chance * inits.length)];
    if (victim === undefined || !this.#serves(worker)) return false;
    kill(victim, 'SIGKILL');
    return true;
  }

  /** Stops a worker's forkserver for a while. */
  async pauseForkserver(worker: WorkerProcess, forMs: number): Promise<void> {
    const servers = forkserversOf(worker.pid);
    for (const pid of servers) kill(pid, 'SIGSTOP');
    await sleep(forMs);
    for (const pid of servers) kill(pid, 'SIGCONT');
  }

  /** Ends all of them in order; answers how each ended that lived till now and was not still on its way to serve. */
  async dismiss(): Promise<(number | NodeJS.Signals)[]> {
    const serving = this.#living.filter((worker) => this.#serves(worker));
    for (const worker of this.#living) if (!serving.includes(worker)) worker.kill('SIGTERM');
    const ends = await Promise.all(serving.map((worker) => worker.stop()));
    await Promise.all(this.all.map((worker) => worker.exited));
    await Promise.all(this.#mourning);
    this.#living = [];
    return ends;
  }

  /** Names of the instances that any of them was: they take over each other's. */
  instances(): string[] {
    if (!existsSync(join(this.runDir, 'instances'))) return [];
    return readdirSync(join(this.runDir, 'instances')).map((file) => file.replace(/\.lock$/, ''));
  }

  /** What is no line of a log: crashes, warnings of Node, rejections that nobody handled. */
  outcries(): string[] {
    const lines = this.all.flatMap((worker) => worker.log().split('\n'));
    return lines.filter((line) => line !== '' && !line.startsWith('{"level":'));
  }

  clear(): void {
    process.off('exit', this.#endWithUs);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #serves(worker: WorkerProcess): boolean {
    return worker.log().includes('"msg":"serving"');
  }

  #mourn(processes: number[]): void {
    const since = performance.now();
    const watch = async () => {
      while (processes.some(isAlive) && performance.now() - since < MOURNING_MS) await sleep(20);
      this.aftermathsMs.push(Math.round(performance.now() - since));
    };
    this.#mourning.push(watch());
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
