import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPrivateRedis } from '../../ops/private-redis.ts';
import { keysOf } from '../../protocol/index.ts';
import { until } from '../helpers/pen.ts';
import { processesWith } from '../helpers/processes.ts';
import type { WorkerProcess } from '../helpers/worker-process.ts';
import type { Client } from './client.ts';
import { Play, Stage } from './play.ts';

const BLOCK_PRELOAD = new URL('./block-preload.ts', import.meta.url).href;

let stage: Stage;
let play: Play;
let redis: Redis;
let workers: WorkerProcess[];
beforeAll(async () => {
  stage = new Stage(await startPrivateRedis());
  redis = new Redis(stage.redis.url);
  redis.on('error', () => undefined);
});
beforeEach(async () => {
  play = await Play.open(stage);
  workers = [];
});
afterEach(async () => {
  for (const worker of workers) worker.kill('SIGCONT');
  await Promise.all(workers.map((worker) => worker.stop()));
  await play.close();
});
afterAll(async () => {
  redis.disconnect();
  await stage.redis.stop();
  stage.clear();
});

function start(environment: Record<string, string> = {}): WorkerProcess {
  const worker = play.start(environment);
  workers.push(worker);
  return worker;
}

function serving(worker: WorkerProcess): Promise<number> {
  return until('the other one serves', () => worker.log().includes('"msg":"serving"'), 20_000);
}

/** A job that sleeps; its client, and what comes of its life. Returns when the guest runs. */
async function sleeper(seconds: number, attempts = 1): Promise<{ client: Client; life: Promise<void> }> {
  const id = `${play.queue}-${play.clients.length}`;
  const command: [string, ...string[]] = ['/bin/bash', '-c', `sleep ${seconds}; echo ${id}`];
  const policy = { version: 1 as const, limits: { wallTimeMs: 120_000 } };
  const job = { kind: 'job' as const, version: 1 as const, runtime: 'bash', id, attempts, command, policy };
  const client = play.attach({ job, says: `${id}\n`, cancelAfterMs: null, givesUp: false, leavesMarks: false });
  const life = client.live(play.producer);
  await until('the guest runs', () => processesWith(id).length > 0, 20_000);
  return { client, life };
}

async function uidOf({ plan }: Client): Promise<string> {
  return (await redis.get(keysOf(play.queue).id('default', plan.job.id))) ?? '';
}

async function expectSound(): Promise<void> {
  await play.settle();
  expect(await play.judge()).toEqual([]);
}

it('R06 the event loop of a worker stands still for longer than its lock: one end, which stays', async () => {
  const blocked = start({ NODE_OPTIONS: `--import=${BLOCK_PRELOAD}` });
  const { client, life } = await sleeper(60);
  await serving(start());
  blocked.kill('SIGUSR2');
  await life;
  expect(client.outcome).toBe('worker-lost');
  // It comes back, and what it says of its job comes too late.
  await until('the first one is heard again', () => blocked.log().includes('"committed":"'), 15_000);
  expect(processesWith(client.plan.job.id)).toEqual([]);
  await expectSound();
});

it('R04 a worker is stopped for longer than its lock, another ends its job, and it goes on: one end, which stays', async () => {
  const stopped = start();
  const { client, life } = await sleeper(60);
  await serving(start());
  stopped.kill('SIGSTOP');
  await life;
  stopped.kill('SIGCONT');
  expect(client.outcome).toBe('worker-lost');
  await until('the first one is heard again', () => stopped.log().includes('"committed":"'), 15_000);
  expect(processesWith(client.plan.job.id)).toEqual([]);
  await expectSound();
});

it('R08 Redis dies between the commit and the word to BullMQ: one end, and its code ran once', async () => {
  start();
  const comes = play.proxy.swallow('returnvalue');
  const { client, life } = await sleeper(0.5);
  await comes;
  await stage.redis.kill('SIGKILL');
  await stage.redis.restart();
  await life;
  expect(client.outcome).toBe('exited');
  await expectSound();
});

describe('R13 R14 a Redis that takes no writes for a while', () => {
  const refusals: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    ['as it was demoted', () => redis.replicaof('127.0.0.1', 1), () => redis.replicaof('NO', 'ONE')],
    [
      'as it lacks a replica',
      () => redis.config('SET', 'min-replicas-to-write', 1),
      () => redis.config('SET', 'min-replicas-to-write', 0),
    ],
  ];
  it.each(refusals)('%s takes nothing new, and a result when it can again', async (_why, refuse, relent) => {
    // Locks that outlive this: nobody else is to take the job.
    start();
    const { client, life } = await sleeper(0.3);
    await refuse();
    try {
      const job = { ...client.plan.job, id: `${play.queue}-refused` };
      await expect(play.producer.submit(job)).rejects.toMatchObject({ code: 'queue-unavailable', accepted: 'no' });
    } finally {
      await relent();
    }
    await life;
    expect(['exited', 'worker-lost']).toContain(client.outcome);
    await expectSound();
  });
});

it('R15 everything in Redis vanishes while a job runs: the worker survives it and serves what comes next', async () => {
  const worker = start();
  const { client, life } = await sleeper(0.5);
  await redis.flushall();
  // Its job is unknown to all: nobody waits for it any more.
  void life.catch(() => undefined);
  await until('the guest is gone', () => processesWith(client.plan.job.id).length === 0, 20_000);
  play.clients.length = 0;
  const { client: next, life: after } = await sleeper(0.1);
  await after;
  expect(next.outcome).toBe('exited');
  expect(
    worker
      .log()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('{"level":')),
  ).toEqual([]);
});

it('R26 one job is handed to two workers: one end, which stays, and no sandbox is left', async () => {
  const first = start();
  const { client, life } = await sleeper(60);
  await serving(start());
  const lock = `${keysOf(play.queue).prefix}bull:jobs:${await uidOf(client)}:lock`;
  expect(await redis.del(lock)).toBe(1);
  await life;
  expect(client.outcome).toBe('worker-lost');
  await until('no sandbox of it is left', () => processesWith(client.plan.job.id).length === 0);
  await until('the first one says so', () => first.log().includes('"committed":"'), 15_000);
  await expectSound();
});
