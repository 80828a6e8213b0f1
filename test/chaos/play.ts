// One crash point played out: jobs, a worker that dies there, another one that finds what it left, and the judgement.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateRedis } from '../../ops/private-redis.ts';
import { createProducer, type Producer } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { SCRIPTS } from '../../protocol/scripts.ts';
import { FaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/pen.ts';
import { descendantsOf, isAlive } from '../helpers/processes.ts';
import { WorkerProcess } from '../helpers/worker-process.ts';
import { Client } from './client.ts';
import { CRASH_AT, type CrashPoint } from './crash-points.ts';
import { Evidence } from './evidence.ts';
import { judgeAll } from './judge.ts';
import type { Plan } from './plans.ts';

const PRELOAD = new URL('./crash-preload.ts', import.meta.url).href;
const SETTINGS = { slots: 4, lockMs: 1500, stalledMs: 300, drainMs: 1000, logLevel: 'info' };
const CRASH_WITHIN_MS = 30_000;

/** The environment in which a process of ours dies at a crash point. */
export function dyingAt({ name }: CrashPoint): Record<string, string> {
  return { NODE_OPTIONS: `--import=${PRELOAD}`, [CRASH_AT]: name };
}

/** Where all plays take place: one run directory, so that no two workers of theirs share a uid or a name. */
export class Stage {
  readonly redis: PrivateRedis;
  readonly uids = { first: 6_000_000 + (process.pid % 1000) * 4096, count: 4096 };
  readonly directory = mkdtempSync(join(tmpdir(), 'bullpen-crash-'));
  readonly runDir = join(this.directory, 'run');

  constructor(redis: PrivateRedis) {
    this.redis = redis;
    mkdirSync(this.runDir, { mode: 0o700 });
  }

  /** Names of the instances that its workers were: they take over each other's. */
  instances(): string[] {
    return readdirSync(join(this.runDir, 'instances')).map((file) => file.replace(/\.lock$/, ''));
  }

  clear(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One queue, its jobs and its workers, one after another. */
export class Play {
  readonly queue = `crash-${newUid().slice(0, 8)}`;
  readonly producer: Producer;
  readonly clients: Client[] = [];
  /** Between the workers and Redis. */
  readonly proxy: FaultProxy;
  /** How long anything of the worker that died lived on, in milliseconds. */
  outlivedMs = 0;
  readonly #stage: Stage;
  readonly #evidence: Evidence;
  readonly #lives: Promise<void>[] = [];
  #workers = 0;

  static async open(stage: Stage): Promise<Play> {
    return new Play(stage, await FaultProxy.before(stage.redis.port));
  }

  private constructor(stage: Stage, proxy: FaultProxy) {
    this.#stage = stage;
    this.proxy = proxy;
    this.producer = createProducer({ redis: stage.redis.url, queue: this.queue });
    this.#evidence = new Evidence(stage.redis.url, this.queue);
  }

  /** Submits a job of every kind; returns when all are accepted, and the one that never shall begin is cancelled. */
  async submitAll({ withUnbegun }: { withUnbegun: boolean }): Promise<void> {
    const bash = (script: string): [string, ...string[]] => ['/bin/bash', '-c', script];
    for (const attempts of [1, 3]) {
      this.#begin({ id: 'quick', attempts, command: (id) => ['/bin/echo', id] });
      this.#begin({ id: 'sleepy', attempts, command: (id) => bash(`sleep 0.7; echo ${id}`) });
    }
    const large = 'x'.repeat(100_000);
    this.#begin({ id: 'large', attempts: 1, says: large, command: () => bash(`printf 'x%.0s' {1..${large.length}}`) });
    if (withUnbegun) this.#begin({ id: 'unbegun', attempts: 1, cancelAfterMs: 0, command: (id) => ['/bin/echo', id] });
    const isReady = ({ asked, plan }: Client) => {
      const last = plan.cancelAfterMs === null ? 'submit' : 'cancel';
      return asked.some(({ what, phase }) => what === last && phase === 'ok');
    };
    await until('all are submitted', () => this.clients.every(isReady));
  }

  /** Starts a worker that dies at a point, sets the scene, and returns when it is dead. Throws when it ends otherwise. */
  async dieAt(point: CrashPoint): Promise<void> {
    if (point.setting === 'lost-reply') this.proxy.loseReplyTo(SCRIPTS.commit.sha1);
    const worker = this.start(dyingAt(point));
    const [ended, below] = [this.#watch(worker), new Set<number>()];
    if (point.setting === 'drain' || point.setting === 'cancel') {
      const sleepy = await this.#firstRunning('sleepy-3', ended);
      if (point.setting === 'drain') worker.kill('SIGTERM');
      else await sleepy.cancel();
    }
    const deadline = performance.now() + CRASH_WITHIN_MS;
    while (!ended.is && performance.now() < deadline) {
      for (const pid of descendantsOf(worker.pid)) below.add(pid);
      await sleep(50);
    }
    worker.kill('SIGKILL');
    const isThere = worker.log().includes(`{"level":"crash","at":"${point.name}"}`);
    if (!isThere) throw new Error(`it never came to ${point.name}:\n${worker.log()}`);
    this.outlivedMs = await until('nothing of the dead worker lives', () => ![...below].some(isAlive));
  }

  /** Another worker, and all results; then it ends in order. */
  async goOn(): Promise<void> {
    const worker = this.start();
    await Promise.all(this.#lives);
    await this.settle();
    const end = await worker.stop();
    if (end !== 0) throw new Error(`the worker that went on ended with ${end}:\n${worker.log()}`);
  }

  /** Returns when the queue has nothing in hand any more. */
  async settle(): Promise<void> {
    await until('nothing is unfinished', async () => (await this.#evidence.unfinished()) === 0, 15_000);
    let left: string[] = [];
    const isForgotten = async () => {
      left = await this.#leftovers();
      return left.length === 0;
    };
    await until('BullMQ has forgotten all', isForgotten, 15_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${left.join(' ')}`);
    });
  }

  /** What is wrong, a line each. */
  async judge(): Promise<string[]> {
    for (const client of this.clients) await client.read(this.producer);
    const { wrong, histories } = await judgeAll(this.clients, this.#evidence);
    return [...wrong, ...histories, ...(await this.#leftovers())];
  }

  async close(): Promise<void> {
    await this.producer.close();
    this.#evidence.close();
    await this.proxy.close();
  }

  /** A job that a process of its own has submitted, or will. */
  attach(plan: Plan): Client {
    const client = new Client(plan);
    this.clients.push(client);
    return client;
  }

  #begin(o: {
    id: string;
    attempts: number;
    says?: string;
    cancelAfterMs?: number;
    command: (id: string) => [string, ...string[]];
  }) {
    const id = `${this.queue}-${o.id}-${o.attempts}`;
    const job = {
      kind: 'job' as const,
      version: 1 as const,
      runtime: 'bash',
      id,
      attempts: o.attempts,
      command: o.command(id),
    };
    const { says = `${id}\n`, cancelAfterMs = null } = o;
    const client = this.attach({ job, says, cancelAfterMs, givesUp: false, leavesMarks: false });
    this.#lives.push(client.live(this.producer));
  }

  /** Starts a worker; returns at once. */
  start(environment: Record<string, string> = {}): WorkerProcess {
    const { uids, runDir, directory } = this.#stage;
    const config = { ...SETTINGS, redis: this.proxy.url, queue: this.queue, uids, runDir };
    this.#workers += 1;
    return WorkerProcess.start(config, join(directory, `${this.queue}-${this.#workers}`), environment);
  }

  #watch(worker: WorkerProcess): { is: boolean } {
    const ended = { is: false };
    void worker.exited.then(() => {
      ended.is = true;
    });
    return ended;
  }

  async #firstRunning(name: string, ended: { is: boolean }) {
    const handle = this.producer.job(`${this.queue}-${name}`);
    await until(`${name} runs`, async () => ended.is || (await handle.state()).state === 'running', CRASH_WITHIN_MS);
    return handle;
  }

  async #leftovers(): Promise<string[]> {
    const all = await this.#evidence.leftovers();
    return all.filter((key) => key.includes(this.queue));
  }
}
