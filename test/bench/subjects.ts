// What is measured side by side: each subject runs one program once and gives back its status and its stdout, both checked.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { PrivateWorker } from '../../ops/private-worker.ts';
import { createProducer, type JobInput, type Producer, type Result } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { Engine, type Lease, takeLease } from '../../worker/engine.ts';

/** A program by absolute path: a version manager's shim would cost more than what is measured. */
export interface Workload {
  id: string;
  argv: [string, ...string[]];
  stdout: string;
}

export const WORKLOADS: Workload[] = [
  { id: 'W1', argv: ['/bin/true'], stdout: '' },
  { id: 'W2', argv: ['/usr/bin/python3', '-c', 'print(sum(range(1000)))'], stdout: '499500\n' },
];

/** What every confined subject is held to. */
export const LIMITS = { wallTimeMs: 10_000, memoryBytes: 268_435_456, processes: 64, cpuMillis: 2000 };

export interface Run {
  exitCode: number | null;
  stdout: string;
  result?: Result;
}

export interface Subject {
  name: string;
  /** What a row of its does not enforce, in words. */
  lacks: string;
  run(argv: readonly string[]): Promise<Run>;
  close(): Promise<void>;
}

const noClose = async (): Promise<void> => {};

export const plainSpawn: Subject = {
  name: 'spawn',
  lacks: 'everything: no isolation at all',
  run: (argv) => execute(argv),
  close: noClose,
};

/** Namespaces, no capability, no network; limits by prlimit, since bubblewrap has none of its own. */
export const bubblewrap: Subject = {
  name: 'bubblewrap',
  lacks: 'memory and task limits of the whole job, seccomp, Landlock, disk quota, own uid per job',
  run: (argv) => execute([...PRLIMIT, ...BUBBLEWRAP, ...argv]),
  close: noClose,
};

const PRLIMIT = ['/usr/bin/prlimit', '--nofile=256', '--core=0', `--fsize=67108864`, '--cpu=10'];
const BUBBLEWRAP = [
  '/usr/bin/bwrap --unshare-all --unshare-user --uid 1000 --gid 1000 --cap-drop ALL --new-session --die-with-parent --clearenv',
  '--setenv PATH /usr/local/bin:/usr/bin:/bin --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64',
  '--proc /proc --dev /dev --size 67108864 --tmpfs /tmp --size 67108864 --tmpfs /work --chdir /work --',
].flatMap((line) => line.split(' '));

function execute([program = '', ...args]: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout: Buffer.concat(chunks).toString() }));
  });
}

const jobOf = (argv: readonly string[]): JobInput =>
  ({
    kind: 'job',
    version: 1,
    runtime: 'bash',
    command: [...argv],
    policy: { version: 1, limits: LIMITS },
  }) as JobInput;

function runOf(result: Result): Run {
  const exitCode = result.outcome.kind === 'exited' ? result.outcome.exitCode : null;
  const stdout = result.stdout && 'text' in result.stdout ? (result.stdout.text ?? '') : '';
  return { exitCode, stdout, result };
}

/** The Rust library by its addon, in this process: no queue. */
export class SandboxSubject implements Subject {
  readonly name: string;
  readonly lacks = 'nothing that the policy asks for';
  readonly #engine: Engine;
  readonly #lease: Lease;
  readonly #directory: string;

  private constructor(name: string, engine: Engine, lease: Lease, directory: string) {
    this.name = name;
    this.#engine = engine;
    this.#lease = lease;
    this.#directory = directory;
  }

  /** @param warm `prepared`: sandboxes made ahead wait for their job; `none`: each is made when its job comes. */
  static async open(warm: 'prepared' | 'none'): Promise<SandboxSubject> {
    const directory = mkdtempSync(join(tmpdir(), 'bullpen-bench-'));
    const uids = { first: 400_000, count: 4096 };
    const lease = takeLease({ runDir: directory, uids, slots: 16 });
    const pools = Object.fromEntries(
      ['bash', 'python', 'node', 'c'].map((name) => [name, { warm, ready: warm === 'none' ? 0 : 8, ttlMs: 600_000 }]),
    );
    const config = {
      version: 1,
      slots: 8,
      runDir: directory,
      uids: { first: lease.firstUid, count: lease.uidCount },
      pools,
      instance: lease.instance,
    };
    return new SandboxSubject(`sandbox-${warm}`, await Engine.open(config), lease, directory);
  }

  async run(argv: readonly string[]): Promise<Run> {
    const uid = newUid();
    const context = { uid, epoch: 1, tenant: 'default', id: uid, queuedUs: 0, worker: this.#lease.instance };
    return runOf(await this.#engine.run(Buffer.from(JSON.stringify(jobOf(argv))), context).wait());
  }

  async close(): Promise<void> {
    await this.#engine.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Producer, Redis, BullMQ, worker process, sandbox: the whole way. */
export class QueueSubject implements Subject {
  readonly name = 'queue';
  readonly lacks = 'nothing that the policy asks for';
  readonly #redis: PrivateRedis;
  readonly #producer: Producer;
  readonly #worker: PrivateWorker;
  readonly #directory: string;

  private constructor(redis: PrivateRedis, producer: Producer, worker: PrivateWorker, directory: string) {
    this.#redis = redis;
    this.#producer = producer;
    this.#worker = worker;
    this.#directory = directory;
  }

  static async open(): Promise<QueueSubject> {
    const redis = await startPrivateRedis();
    const directory = mkdtempSync(join(tmpdir(), 'bullpen-bench-worker-'));
    const producer = createProducer({ redis: redis.url, queue: 'bench' });
    const config = { redis: redis.url, queue: 'bench', slots: 4, logLevel: 'warn' };
    const worker = new PrivateWorker({ config, directory, log: join(directory, 'worker.log') });
    await worker.live(producer);
    return new QueueSubject(redis, producer, worker, directory);
  }

  async run(argv: readonly string[]): Promise<Run> {
    return runOf(await this.#producer.run(jobOf(argv), { timeoutMs: 30_000 }));
  }

  async close(): Promise<void> {
    await this.#producer.close();
    await this.#worker.stop(30_000);
    await this.#redis.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
