import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { createProducer, type Producer } from '../../producer/index.ts';
import { WorkerProcess } from './worker-process.ts';

/** A private Redis, a queue of its own, its workers and one producer: all real, all ended by `close`. */
export class Pen {
  readonly redis: PrivateRedis;
  readonly queue = `t${randomBytes(4).toString('hex')}`;
  readonly producer: Producer;
  private readonly workers: WorkerProcess[] = [];
  private readonly producers: Producer[] = [];

  private constructor(redis: PrivateRedis) {
    this.redis = redis;
    this.producer = this.newProducer();
  }

  static async open(): Promise<Pen> {
    return new Pen(await startPrivateRedis());
  }

  newProducer(o: { tenant?: string } = {}): Producer {
    const producer = createProducer({ redis: this.redis.url, queue: this.queue, ...o });
    this.producers.push(producer);
    return producer;
  }

  /** Starts a worker and returns when the queue counts it as alive. */
  async startWorker(config: Record<string, unknown> = {}, env: Record<string, string> = {}): Promise<WorkerProcess> {
    const before = (await this.producer.stats()).liveWorkers;
    const worker = WorkerProcess.start({ redis: this.redis.url, queue: this.queue, ...config }, undefined, env);
    this.workers.push(worker);
    const deadline = Date.now() + 20_000;
    // One that was killed counts until its registration ends.
    const isThere = async () =>
      worker.log().includes('"msg":"serving"') || (await this.producer.stats()).liveWorkers > before;
    while (!(await isThere())) {
      if (worker.child.exitCode !== null || Date.now() > deadline) throw new Error(`no live worker:\n${worker.log()}`);
      await sleep(50);
    }
    return worker;
  }

  async close(): Promise<void> {
    for (const producer of this.producers) await producer.close();
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.redis.stop();
  }
}

/** Polls a fact about the outside world until it holds; fails naming it. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<number> {
  const start = Date.now();
  while (!(await holds())) {
    if (Date.now() - start > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
  return Date.now() - start;
}
