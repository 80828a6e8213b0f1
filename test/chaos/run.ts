// One run: jobs and disorder side by side, then calm, then the judgement.

import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { compareInventories, type Inventory, ofInstances, takeInventory } from '../../ops/inventory.ts';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { createProducer, type Producer } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { FaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/pen.ts';
import { Client } from './client.ts';
import { Crew } from './crew.ts';
import { bringDisorder } from './disorder.ts';
import { Evidence } from './evidence.ts';
import type { Violation } from './history.ts';
import { inParallel, judgeAll } from './judge.ts';
import { type PlanGround, planOf } from './plans.ts';
import { seededRandom } from './random.ts';

const WORKERS = 3;
const PRODUCERS = 3;
const CALM_MS = 60_000;
/** Nobody in particular, but not root: jobs act in a host directory as its owner. */
const MARKS_OWNER = 65_534;
/** P3: how long anything of a worker or a forkserver may outlive it, and what this machine's other work may add to that. */
const OUTLIVE_MS = 2000;
const SLACK_MS = 1000;

export interface ChaosOptions {
  seed: number;
  /** It goes on for at least so long, … */
  seconds: number;
  /** … and until so many jobs have ended. */
  jobs: number;
  /** Jobs at a time. */
  inFlight: number;
  /** Told now and then how far it is. */
  onProgress?: (line: string) => void;
}

/** What came of it: the first part is for machines, in one line. */
export interface ChaosReport {
  figures: {
    seed: number;
    jobs: number;
    seconds: number;
    kills: number;
    faults: number;
    repliesLost: number;
    begunTwice: number;
    lost: number;
    doubled: number;
    violations: number;
  };
  deeds: Record<string, number>;
  outcomes: Record<string, number>;
  /** The longest that anything outlived its worker or forkserver, in milliseconds. */
  outlivedMs: number;
  /** Of the first jobs with a violation, all that is known. */
  histories: string[];
  /** What is wrong, a line each: violations of jobs, faults of logs, leftovers, cries. Empty when every promise holds. */
  wrong: string[];
}

/** Runs jobs while everything fails, and says which promises were kept. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = await Run.open(options);
  try {
    await run.disturb();
    return await run.judge();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #options: ChaosOptions;
  readonly #redis: PrivateRedis;
  readonly #proxy: FaultProxy;
  readonly #queue = `chaos-${newUid().slice(0, 8)}`;
  readonly #crew: Crew;
  readonly #marks: string;
  readonly #producers: Producer[];
  readonly #evidence: Evidence;
  readonly #before: Inventory;
  readonly #clients: Client[] = [];
  #deeds: Record<string, number> = {};
  #ms = 0;

  static async open(options: ChaosOptions): Promise<Run> {
    const redis = await startPrivateRedis({ fsync: 'always' });
    const proxy = await FaultProxy.before(redis.port);
    proxy.random = seededRandom(options.seed + 2);
    return new Run(options, redis, proxy);
  }

  private constructor(options: ChaosOptions, redis: PrivateRedis, proxy: FaultProxy) {
    this.#options = options;
    this.#redis = redis;
    this.#proxy = proxy;
    const [url, queue] = [proxy.url, this.#queue];
    const roots: { path: string; access: string }[] = [];
    const pools = { bash: { warm: 'prepared', ready: 2 } };
    this.#crew = new Crew({ redis: url, queue, slots: 8, logLevel: 'info', roots, pools });
    this.#marks = mkdtempSync('/var/tmp/bullpen-chaos-marks-');
    chownSync(this.#marks, MARKS_OWNER, MARKS_OWNER);
    roots.push({ path: this.#marks, access: 'readwrite' });
    this.#producers = Array.from({ length: PRODUCERS }, () => createProducer({ redis: url, queue }));
    this.#evidence = new Evidence(redis.url, queue);
    this.#before = this.#takeInventory();
    for (let n = 0; n < WORKERS; n++) this.#crew.hire();
  }

  /** Until the time is over and the jobs are done; then calm, until nothing is unfinished. */
  async disturb(): Promise<void> {
    const started = performance.now();
    let isOver = false;
    const scene = { crew: this.#crew, redis: this.#redis, proxy: this.#proxy };
    const disorder = bringDisorder(scene, this.#options.seed + 1, () => isOver);
    await this.#liveAll(started).finally(() => {
      isOver = true;
    });
    this.#deeds = await disorder;
    this.#ms = performance.now() - started;
    await until('nothing is unfinished', async () => (await this.#evidence.unfinished()) === 0, CALM_MS).catch(ignore);
    await until('BullMQ has forgotten all', async () => (await this.#evidence.leftovers()).length === 0, 15_000).catch(
      ignore,
    );
  }

  async judge(): Promise<ChaosReport> {
    await inParallel(this.#clients, async (client) => {
      if (client.outcome !== null) await client.read(this.#producerFor(0));
    });
    const left = await this.#evidence.leftovers();
    const ends = await this.#crew.dismiss();
    const { violations, histories, wrong } = await judgeAll(this.#clients, this.#evidence, (id) => this.#marksOf(id));
    const outlivedMs = Math.max(0, ...this.#crew.aftermathsMs);
    wrong.push(
      ...left.map((key) => `a key without an end: ${key}`),
      ...ends.filter((end) => end !== 0).map((end) => `a worker ended with ${end}`),
      ...this.#crew.outcries().map((line) => `a worker cried: ${line}`),
      ...(outlivedMs > OUTLIVE_MS + SLACK_MS
        ? [`something outlived its worker or forkserver by ${outlivedMs} ms`]
        : []),
      ...compareInventories(this.#before, this.#takeInventory()),
    );
    const figures = this.#figures(violations);
    return { figures, deeds: this.#deeds, outcomes: this.#outcomes(), outlivedMs, histories, wrong };
  }

  async close(): Promise<void> {
    for (const producer of this.#producers) await producer.close();
    await this.#crew.dismiss();
    await this.#proxy.close();
    this.#evidence.close();
    await this.#redis.stop();
    this.#crew.clear();
    rmSync(this.#marks, { recursive: true, force: true });
  }

  /** Some jobs at a time, each from its submission to its result. */
  async #liveAll(started: number): Promise<void> {
    const { seed, seconds, jobs, inFlight, onProgress } = this.#options;
    const ground: PlanGround = { prefix: this.#queue, marks: this.#marks, random: seededRandom(seed) };
    const isOver = () => this.#clients.length >= jobs && performance.now() - started >= seconds * 1000;
    const told = setInterval(() => onProgress?.(this.#progress(started)), 15_000);
    const live = async () => {
      while (!isOver()) {
        const client = new Client(planOf(this.#clients.length, ground));
        this.#clients.push(client);
        await client.live(this.#producerFor(this.#clients.length));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, live)).finally(() => clearInterval(told));
  }

  #producerFor(n: number): Producer {
    return this.#producers[n % PRODUCERS] as Producer;
  }

  #marksOf(id: string): number {
    try {
      return readFileSync(join(this.#marks, id), 'utf8').split('\n').length - 1;
    } catch {
      return 0;
    }
  }

  #takeInventory(): Inventory {
    const { uids, runDir } = this.#crew;
    const inventory = ofInstances(takeInventory({ uids, directories: [runDir] }), this.#crew.instances());
    // Redis is another process after each of its deaths.
    return { ...inventory, processes: inventory.processes.filter((entry) => !entry.endsWith(' redis-server')) };
  }

  #figures(violations: Violation[]): ChaosReport['figures'] {
    const count = (kind: Violation['kind']) => violations.filter((each) => each.kind === kind).length;
    const deeds = Object.entries(this.#deeds);
    const sum = (of: [string, number][]) => of.reduce((total, [, n]) => total + n, 0);
    const isKill = ([name]: [string, number]) => name.endsWith('killed');
    return {
      seed: this.#options.seed,
      jobs: this.#clients.length,
      seconds: Math.round(this.#ms / 1000),
      kills: sum(deeds.filter(isKill)),
      faults: sum(deeds),
      repliesLost: this.#proxy.lost,
      begunTwice: count('begun-twice'),
      lost: count('lost'),
      doubled: count('doubled'),
      violations: violations.length,
    };
  }

  #outcomes(): Record<string, number> {
    const tally: Record<string, number> = {};
    for (const { outcome } of this.#clients) tally[outcome ?? 'none'] = (tally[outcome ?? 'none'] ?? 0) + 1;
    return tally;
  }

  #progress(started: number): string {
    return `${Math.round((performance.now() - started) / 1000)} s: ${this.#clients.length} jobs`;
  }
}

/** What did not come in time is told by the judgement. */
function ignore(): void {}
