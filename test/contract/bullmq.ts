// What the tests of BullMQ's behaviour stand on: consumers as a worker has them, with deliveries that the test answers

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { addReleased, BULL_QUEUE_NAME, bullPrefix, newUid, openBullQueue } from '../../protocol/index.ts';
import { Consumer, type Delivery, type Handled } from '../../worker/consume.ts';
import { createLog } from '../../worker/log.ts';
import { type Connections, openConnections, whenReady } from '../../worker/redis-connections.ts';
import { Progress, type ProgressOptions } from '../../worker/signals/progress.ts';

const { version } = createRequire(import.meta.url)('bullmq/package.json') as { version: string };

/** Proves that BullMQ still does something; when it doesn't, says what, and which of our files goes wrong by it. */
export async function prove(behaviour: string, reliedOnIn: string, proof: () => Promise<void>): Promise<void> {
  try {
    await proof();
  } catch (cause) {
    const because = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`bullmq ${version} does not do this: ${behaviour}. We rely on it in ${reliedOnIn}. ${because}`, {
      cause,
    });
  }
}

/** Proves it on a bench of its own. */
export async function proveOnBench(
  url: string,
  { behaviour, reliedOnIn }: { behaviour: string; reliedOnIn: string },
  proof: (bench: Bench) => Promise<void>,
): Promise<void> {
  const bench = new Bench(url);
  await prove(behaviour, reliedOnIn, () => proof(bench)).finally(() => bench.close());
}

/** Polls until a fact holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  for (const end = Date.now() + withinMs; !(await holds()); await sleep(10)) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
  }
}

/** A queue of its own, with consumers and all that they heard. */
export class Bench {
  readonly queue = `c${newUid()}`;
  readonly #url: string;
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #connections: Connections;
  readonly #closing = new AbortController();
  /** Keeps a delivery in hand until this is closed. */
  readonly hold: Answer = () =>
    new Promise((resolve) => this.#closing.signal.addEventListener('abort', () => resolve('settled')));

  constructor(url: string) {
    this.#url = url;
    this.#connections = openConnections({ url }, createLog({ level: 'silent', descriptor: 2 }));
  }

  /** For looking at what BullMQ keeps. */
  get redis(): Redis {
    return this.#connections.bull;
  }

  /** A key of BullMQ's. */
  key(name: string): string {
    return `${bullPrefix(this.queue)}:jobs:${name}`;
  }

  /** Hands uids to BullMQ as the accept call's caller does. */
  async add(...uids: string[]): Promise<void> {
    await whenReady(this.redis, AbortSignal.timeout(10_000));
    const queue = openBullQueue(this.redis, this.queue);
    queue.on('error', () => undefined);
    await addReleased(queue, uids);
    await queue.close();
  }

  /** A consumer as a worker makes it. */
  async consumer(answer: Answer, times: Partial<Times> = {}): Promise<Heard> {
    const log = createLog({ level: 'silent', descriptor: 2 });
    const connections = openConnections({ url: this.#url }, log);
    const heard = new Heard(connections);
    const settings = { slots: 2, lockMs: 1_500, stalledMs: 500, ...times };
    const consumer = new Consumer({
      ...settings,
      ...{ redis: connections.bull, queue: this.queue, log },
      progress: new CountedProgress(settings, heard),
      now: () => performance.now(),
      handle: (delivery) => {
        heard.deliveries.push(delivery);
        return answer(delivery);
      },
      onRenewed: (uids, sentAt) => heard.renewals.push(...uids.map((uid) => ({ uid, sentAt }))),
      onLost: (uid) => heard.lost.push(uid),
    });
    heard.stop = () => consumer.stop();
    this.#ends.push(async () => {
      await consumer.stop();
      connections.close();
    });
    await consumer.start();
    return heard;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#ends.map((end) => end()));
    this.#connections.close();
  }
}

/** What becomes of a delivery. */
export type Answer = (delivery: Delivery) => Promise<Handled>;

export const settle: Answer = async () => 'settled';

export const after =
  (ms: number): Answer =>
  async () => {
    await sleep(ms);
    return 'settled';
  };

/** A worker of BullMQ's that fetches only when it is told to, and keeps no lock. */
export async function fetcher(bench: Bench, lockMs: number): Promise<Worker> {
  const worker = new Worker(BULL_QUEUE_NAME, null, {
    connection: bench.redis,
    prefix: bullPrefix(bench.queue),
    lockDuration: lockMs,
    stalledInterval: 100,
    maxStalledCount: 1_000_000,
    autorun: false,
  });
  worker.on('error', () => undefined);
  await worker.waitUntilReady();
  return worker;
}

interface Times {
  slots: number;
  lockMs: number;
  stalledMs: number;
}

/** Says how often a fetch came round. */
class CountedProgress extends Progress {
  readonly #heard: Heard;

  constructor(options: ProgressOptions, heard: Heard) {
    super(options);
    this.#heard = heard;
  }

  override fetched(): void {
    this.#heard.rounds += 1;
    super.fetched();
  }
}

/** What a consumer heard from BullMQ. */
export class Heard {
  readonly deliveries: Delivery[] = [];
  readonly renewals: { uid: string; sentAt: number }[] = [];
  readonly lost: string[] = [];
  /** How often a fetch came round, with a job or with none. */
  rounds = 0;
  stop: () => Promise<void> = async () => undefined;
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  get uids(): string[] {
    return this.deliveries.map(({ uid }) => uid);
  }

  /** Loses its connections for good, as a killed worker does. */
  die(): void {
    this.#connections.close();
  }
}
