// How long a small tenant waits behind another's backlog: alone, as part of it (FIFO), with tenants, and with the big one capped.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { startPrivateRedis } from '../../ops/private-redis.ts';
import { addReleased, BULL_QUEUE_NAME, bullPrefix, newUid, openBullQueue, Protocol } from '../../protocol/index.ts';
import { describeMachine, load } from './machine.ts';
import { quantile } from './measure.ts';

const SLOTS = 10;
const JOB_MS = 5;
const BACKLOG = 10_000;
const SMALL_JOBS = 100;
const SMALL_EVERY_MS = 10;
const QUEUE = 'bench';
const TIMES = { resultTtlMs: 60_000, tombstoneTtlMs: 60_000 };
const RESULT = Buffer.from('{"kind":"result"}');
const RESULT_SHA256 = sha256Of(RESULT);

/** One way to queue the same jobs. */
interface Scenario {
  name: string;
  backlog: number;
  /** The tenant of the big and of the small one's jobs. */
  big: string;
  small: string;
  /** The big one's cap of running jobs. */
  maxRunningJobs: number | null;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'alone', backlog: 0, big: 'big', small: 'small', maxRunningJobs: null },
  { name: 'fifo', backlog: BACKLOG, big: 'all', small: 'all', maxRunningJobs: null },
  { name: 'fair', backlog: BACKLOG, big: 'big', small: 'small', maxRunningJobs: null },
  { name: 'fair, big capped at 8', backlog: BACKLOG, big: 'big', small: 'small', maxRunningJobs: 8 },
];

/** What one scenario came to. Milliseconds from acceptance to begin, by the clock of Redis. */
interface Cell {
  scenario: string;
  smallWaitMs: { p50: number; p99: number; max: number };
  /** Jobs of anybody begun between the acceptance of a small one and its begin. */
  jobsBefore: { p50: number; max: number };
  /** Of all jobs, while there were any. */
  jobsPerSecond: number;
}

interface Begun {
  tenant: string;
  id: string;
  waitedMs: number;
  /** How many had begun before. */
  place: number;
}

/** Runs every scenario in turn, `rounds` times. */
export async function benchFairness(o: { rounds: number }): Promise<Record<string, unknown>> {
  const loadBefore = load();
  const samples = new Map(SCENARIOS.map(({ name }) => [name, [] as Cell[]]));
  for (let round = 0; round < o.rounds; round++) {
    for (const scenario of SCENARIOS) samples.get(scenario.name)?.push(await measure(scenario));
  }
  return {
    command: `npm run bench -- fairness --rounds ${o.rounds}`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    loadBefore,
    loadAfter: load(),
    rounds: o.rounds,
    setup: { slots: SLOTS, jobMs: JOB_MS, backlog: BACKLOG, smallJobs: SMALL_JOBS, smallEveryMs: SMALL_EVERY_MS },
    note: 'Real Redis (AOF), real BullMQ, all scripts; a job is a timer. Each figure is the median over the rounds.',
    cells: [...samples.values()].map(medianOf),
    shares: await measureShares(),
  };
}

/** The document as a table for people. */
export function tableOfFairness(document: Record<string, unknown>): string {
  const rows = (document['cells'] as Cell[]).map(({ scenario, smallWaitMs, jobsBefore, jobsPerSecond }) => {
    const [p50, p99] = [smallWaitMs.p50.toFixed(1), smallWaitMs.p99.toFixed(1)];
    return `${scenario.padEnd(22)} wait p50 ${p50.padStart(8)} ms  p99 ${p99.padStart(8)} ms  jobs before p50 ${jobsBefore.p50}  ${Math.round(jobsPerSecond)} jobs/s`;
  });
  return [...rows, `shares ${JSON.stringify(document['shares'])}`].join('\n');
}

async function measure(scenario: Scenario): Promise<Cell> {
  const bench = await Bench.open();
  try {
    await bench.protocol.limitTenant(scenario.big, { maxRunningJobs: scenario.maxRunningJobs });
    await bench.submit(scenario.big, 'big', scenario.backlog);
    const start = performance.now();
    await bench.serve();
    if (scenario.backlog > 0) await bench.whenBegun(200);
    const begunBefore = new Map<string, number>();
    for (let n = 0; n < SMALL_JOBS; n++) {
      begunBefore.set(`small-${n}`, bench.begun.length);
      await bench.submit(scenario.small, 'small', 1, n);
      await sleep(SMALL_EVERY_MS);
    }
    await bench.whenBegun(scenario.backlog + SMALL_JOBS);
    return cellOf(scenario, bench.begun, { begunBefore, tookMs: performance.now() - start });
  } finally {
    await bench.close();
  }
}

/** Three tenants with backlogs: how the jobs that began while all had some were shared. */
async function measureShares(): Promise<Record<string, unknown>> {
  const weights = { one: 1, two: 2, five: 5 };
  const bench = await Bench.open();
  try {
    for (const [tenant, weight] of Object.entries(weights)) {
      await bench.protocol.limitTenant(tenant, { weight });
      await bench.submit(tenant, tenant, 1000);
    }
    await bench.serve();
    await bench.whenBegun(1200);
    const begun = bench.begun.slice(0, 1200);
    const count = (tenant: string) => begun.filter((one) => one.tenant === tenant).length;
    return { weights, jobs: begun.length, begun: { one: count('one'), two: count('two'), five: count('five') } };
  } finally {
    await bench.close();
  }
}

/** A queue of its own, in a Redis of its own, with one worker whose jobs are timers. */
class Bench {
  readonly protocol: Protocol;
  readonly begun: Begun[] = [];
  readonly #redis: Redis;
  readonly #bull: ReturnType<typeof openBullQueue>;
  readonly #stopRedis: () => Promise<void>;
  #worker: Worker | null = null;

  static async open(): Promise<Bench> {
    const server = await startPrivateRedis();
    return new Bench(new Redis(server.url, { maxRetriesPerRequest: null }), () => server.stop());
  }

  private constructor(redis: Redis, stopRedis: () => Promise<void>) {
    this.#redis = redis;
    this.#stopRedis = stopRedis;
    this.protocol = new Protocol(redis, QUEUE);
    this.#bull = openBullQueue(redis, QUEUE);
  }

  /** Accepts `count` jobs of a tenant, of about 1 KiB. */
  async submit(tenant: string, label: string, count: number, first = 0): Promise<void> {
    for (let done = 0; done < count; done += 200) {
      const batch = Array.from({ length: Math.min(200, count - done) }, (_, n) => first + done + n);
      await Promise.all(batch.map((n) => this.#accept(tenant, `${label}-${n}`)));
    }
  }

  async serve(): Promise<void> {
    const offer = { instance: 'w-1', bootId: newUid(), slots: SLOTS, digest: 'bench', offer: '{}', ttlMs: 600_000 };
    const answer = await this.protocol.register({ ...offer, mixed: false });
    if (answer.answer !== 'registered') throw new Error(answer.answer);
    await addReleased(this.#bull, answer.releases);
    this.#worker = new Worker(BULL_QUEUE_NAME, (job) => this.#work(String(job.id)), {
      connection: this.#redis,
      prefix: bullPrefix(QUEUE),
      concurrency: SLOTS,
    });
    await this.#worker.waitUntilReady();
  }

  async whenBegun(count: number): Promise<void> {
    while (this.begun.length < count) await sleep(5);
  }

  async close(): Promise<void> {
    await this.#worker?.close();
    await this.#bull.close();
    this.#redis.disconnect();
    await this.#stopRedis();
  }

  async #accept(tenant: string, id: string): Promise<void> {
    const document = Buffer.from(JSON.stringify({ id, source: 'x'.repeat(1000) }));
    const job = { uid: newUid(), tenant, id, document, sha256: sha256Of(document), attempts: 1, priority: 5 };
    const answer = await this.protocol.accept({ ...job, expiresInMs: 600_000 });
    if (answer.answer !== 'created') throw new Error(answer.answer);
    await addReleased(this.#bull, answer.releases);
  }

  async #work(uid: string): Promise<void> {
    const delivery = { uid, instance: 'w-1', token: newUid(), expectedEpoch: 1, records: [] };
    const job = await this.protocol.begin(delivery);
    if (job.answer !== 'run') throw new Error(job.answer);
    const { tenant, id, queuedUs, epoch } = job;
    this.begun.push({ tenant, id, waitedMs: queuedUs / 1000, place: this.begun.length });
    await sleep(JOB_MS);
    const result = { result: RESULT, resultSha256: RESULT_SHA256, outcome: 'exited' as const, dead: null };
    const answer = await this.protocol.commit({ uid, epoch, ...result, ...TIMES, records: [] });
    if (answer.answer === 'ok') await addReleased(this.#bull, answer.releases);
  }
}

function cellOf(scenario: Scenario, begun: Begun[], o: { begunBefore: Map<string, number>; tookMs: number }): Cell {
  const small = begun.filter(({ id }) => id.startsWith('small-'));
  const waits = small.map(({ waitedMs }) => waitedMs).sort((a, b) => a - b);
  const before = small.map(({ id, place }) => place - (o.begunBefore.get(id) ?? 0)).sort((a, b) => a - b);
  return {
    scenario: scenario.name,
    smallWaitMs: { p50: quantile(waits, 0.5), p99: quantile(waits, 0.99), max: waits.at(-1) ?? 0 },
    jobsBefore: { p50: quantile(before, 0.5), max: before.at(-1) ?? 0 },
    jobsPerSecond: (begun.length * 1000) / o.tookMs,
  };
}

function medianOf(cells: Cell[]): Cell {
  const median = (of: (cell: Cell) => number) => {
    const sorted = cells.map(of).sort((a, b) => a - b);
    return Math.round(quantile(sorted, 0.5) * 10) / 10;
  };
  return {
    scenario: cells[0]?.scenario ?? '',
    smallWaitMs: {
      p50: median((cell) => cell.smallWaitMs.p50),
      p99: median((cell) => cell.smallWaitMs.p99),
      max: median((cell) => cell.smallWaitMs.max),
    },
    jobsBefore: { p50: median((cell) => cell.jobsBefore.p50), max: median((cell) => cell.jobsBefore.max) },
    jobsPerSecond: median((cell) => cell.jobsPerSecond),
  };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
