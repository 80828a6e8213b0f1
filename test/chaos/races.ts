// An end that comes from outside against the job's own: whichever wins, there is one, and it stays.

import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { createProducer, type Producer } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { until } from '../helpers/pen.ts';
import { Client } from './client.ts';
import { Crew } from './crew.ts';
import { Evidence } from './evidence.ts';
import { inParallel, judgeAll } from './judge.ts';
import type { Plan } from './plans.ts';
import { seededRandom } from './random.ts';

const IN_FLIGHT = 12;
const FIRST_SPAN_MS = 60;

export interface RaceOptions {
  /** What the job's own end runs against. */
  against: 'cancel' | 'expiry';
  races: number;
  seed: number;
}

export interface RaceReport {
  races: number;
  /** By outcome, and whether the job had begun: `exited`, `cancelled`, `cancelled unbegun`, `expired unbegun`. */
  ends: Record<string, number>;
  histories: string[];
  /** What is wrong, a line each. */
  wrong: string[];
}

/** Runs so many races on one worker. */
export async function runRaces(options: RaceOptions): Promise<RaceReport> {
  const redis = await startPrivateRedis();
  const course = new Course(redis, options);
  try {
    await course.run();
    return await course.judge();
  } finally {
    await course.close();
    await redis.stop();
  }
}

class Course {
  readonly #options: RaceOptions;
  readonly #queue = `race-${newUid().slice(0, 8)}`;
  readonly #crew: Crew;
  readonly #producers: [Producer, Producer];
  readonly #evidence: Evidence;
  readonly #clients: Client[] = [];
  readonly #random: () => number;
  /** How long a job that nobody ends takes, about. */
  #spanMs = FIRST_SPAN_MS;

  constructor(redis: PrivateRedis, options: RaceOptions) {
    const access = { redis: redis.url, queue: this.#queue };
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#crew = new Crew({ ...access, slots: 8, logLevel: 'info', pools: { bash: { warm: 'prepared', ready: 4 } } });
    this.#producers = [createProducer(access), createProducer(access)];
    this.#evidence = new Evidence(redis.url, this.#queue);
    this.#crew.hire();
  }

  async run(): Promise<void> {
    await this.#race(false);
    const runner = async () => {
      while (this.#clients.length < this.#options.races) await this.#race(true);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, runner));
  }

  async judge(): Promise<RaceReport> {
    await until('nothing is unfinished', async () => (await this.#evidence.unfinished()) === 0, 30_000);
    await inParallel(this.#clients, (client) => client.read(this.#producers[1]));
    const [end] = await this.#crew.dismiss();
    const { histories, wrong } = await judgeAll(this.#clients, this.#evidence);
    const ends: Record<string, number> = {};
    for (const client of this.#clients) ends[endOf(client)] = (ends[endOf(client)] ?? 0) + 1;
    const lies = this.#clients.filter(wasTooLate).filter(({ outcome }) => outcome === 'cancelled');
    wrong.push(...lies.map(({ plan }) => `${plan.job.id}: said to be final, then cancelled`));
    if (end !== 0) wrong.push(`the worker ended with ${end}`);
    return { races: this.#clients.length, ends, histories, wrong };
  }

  async close(): Promise<void> {
    for (const producer of this.#producers) await producer.close();
    await this.#crew.dismiss();
    this.#evidence.close();
    this.#crew.clear();
  }

  /** One job, and what runs against it, which comes before its own end about as often as after. */
  async #race(isRace: boolean): Promise<void> {
    const id = `${this.#queue}-${this.#clients.length}`;
    const atMs = Math.max(1, Math.round(this.#random() * this.#spanMs * 1.6));
    const isCancelled = isRace && this.#options.against === 'cancel';
    const expiresInMs = isRace && this.#options.against === 'expiry' ? atMs : 600_000;
    const command: [string, ...string[]] = ['/bin/echo', id];
    const job: Plan['job'] = { kind: 'job', version: 1, runtime: 'bash', id, attempts: 1, expiresInMs, command };
    const plan = { job, says: `${id}\n`, cancelAfterMs: isCancelled ? atMs : null, givesUp: false, leavesMarks: false };
    const client = new Client(plan);
    this.#clients.push(client);
    const began = performance.now();
    await client.live(this.#producers[0]);
    await client.read(this.#producers[1]);
    // The first one waits for the worker to start.
    const isTypical = isRace && client.outcome === 'exited';
    if (isTypical) this.#spanMs += (Math.min(1000, performance.now() - began) - this.#spanMs) / 20;
  }
}

function endOf({ outcome, asked }: Client): string {
  const epoch = asked.find(({ seen }) => seen !== undefined)?.seen?.epoch;
  return epoch === 0 ? `${outcome} unbegun` : `${outcome}`;
}

/** The one cancel that was asked for was answered with: it has ended already. */
function wasTooLate({ asked }: Client): boolean {
  const cancels = asked.filter(({ what, phase }) => what === 'cancel' && phase !== 'invoke');
  return cancels.length === 1 && cancels[0]?.answer === 'already-final';
}
