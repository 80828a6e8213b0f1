import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORKER_CLI = fileURLToPath(new URL('../../worker/cli/main.ts', import.meta.url));

/** One real `bullpen-worker start` process with a directory of its own for its configuration, its log and its run directory. */
export class WorkerProcess {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly exited: Promise<number | NodeJS.Signals>;
  private readonly ownDirectory: boolean;

  private constructor(child: ChildProcess, directory: string, ownDirectory: boolean) {
    this.child = child;
    this.directory = directory;
    this.ownDirectory = ownDirectory;
    this.exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code ?? -1)));
  }

  /**
   * Starts a worker with short locks (2 s), so that a killed one is noticed within a test's time.
   * @param config fields of the worker configuration beside `version`; `redis` and `queue` are required.
   * @param env variables beside our own.
   */
  static start(
    config: { redis: string; queue: string; [field: string]: unknown },
    directory?: string,
    env: Record<string, string> = {},
  ): WorkerProcess {
    const own = directory ?? mkdtempSync(join(tmpdir(), 'bullpen-test-worker-'));
    mkdirSync(own, { recursive: true });
    const file = join(own, 'config.json');
    const merged = { version: 1, slots: 4, lockMs: 3000, stalledMs: 1000, drainMs: 5000, logLevel: 'debug', ...config };
    writeFileSync(file, JSON.stringify({ runDir: join(own, 'run'), ...merged }));
    const log = openSync(join(own, 'worker.log'), 'a');
    const child = spawn(process.execPath, [WORKER_CLI, 'start', '--config', file], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    });
    closeSync(log);
    return new WorkerProcess(child, own, directory === undefined);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the worker did not start');
    return this.child.pid;
  }

  /** Everything that the worker logged, one JSON object a line. */
  log(): string {
    return readFileSync(join(this.directory, 'worker.log'), 'utf8');
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Drains it (SIGTERM), waits for its end, removes its directory. */
  async stop(): Promise<number | NodeJS.Signals> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.kill('SIGTERM');
    const end = await this.exited;
    if (this.ownDirectory) rmSync(this.directory, { recursive: true, force: true });
    return end;
  }
}
