// Every behaviour of BullMQ that we rely on, against a real Redis: an upgrade that changes one fails here, by name. This file: how
// jobs come and go.
// Timings are bounds of tens of seconds; where only one cause can bring a thing about, the other causes are given longer.

import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { BULL_QUEUE_NAME, bullPrefix, newUid } from '../../protocol/index.ts';
import { after, type Bench, fetcher, prove, proveOnBench, settle, until } from './bullmq.ts';

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

/** One behaviour, and the files that go wrong without it. */
function pin(behaviour: string, reliedOnIn: string, proof: (bench: Bench) => Promise<void>): void {
  it.concurrent(behaviour, () => proveOnBench(redis.url, { behaviour, reliedOnIn }, proof));
}

it('a change is told with what changed and where it matters', async () => {
  const told = prove('it does this', 'worker/that.ts', async () => expect(1).toBe(2));
  await expect(told).rejects.toThrow(
    /^bullmq [\d.]+ does not do this: it does this\. We rely on it in worker\/that\.ts\./,
  );
  await expect(prove('it does this', 'worker/that.ts', async () => undefined)).resolves.toBeUndefined();
});

pin('jobs come in the order in which they were added', 'protocol/scripts/parts/release.lua', async (bench) => {
  const uids = Array.from({ length: 20 }, newUid);
  await bench.add(...uids.slice(0, 10));
  await bench.add(...uids.slice(10));
  const heard = await bench.consumer(settle, { slots: 1 });
  await until('all came', () => heard.uids.length === uids.length);
  expect(heard.uids).toEqual(uids);
});

pin('no more than `concurrency` are in hand at a time', 'worker/consume.ts', async (bench) => {
  let [now, most] = [0, 0];
  const heard = await bench.consumer(async () => {
    now += 1;
    most = Math.max(most, now);
    await sleep(50);
    now -= 1;
    return 'settled';
  });
  await bench.add(...Array.from({ length: 8 }, newUid));
  await until('all came', () => heard.uids.length === 8 && now === 0);
  expect(most).toBe(2);
});

pin(
  'attemptsStarted counts every delivery, and hand-backs fail nothing however many',
  'worker/consume.ts (the name of a delivery: begin would give the same epoch again)',
  async (bench) => {
    const heard = await bench.consumer(async () => (heard.uids.length <= 30 ? 'hand-back' : 'settled'));
    const uid = newUid();
    await bench.add(uid);
    await until('it came 31 times', () => heard.uids.length === 31);
    const counts = heard.deliveries.map(({ token }) => Number(token.split('/')[1]));
    expect(counts).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
    await until('it is forgotten', async () => (await bench.redis.exists(bench.key(uid))) === 0);
  },
);

pin('a handed-back job goes to another worker at once', 'worker/handle-job.ts, worker/drain.ts', async (bench) => {
  const uid = newUid();
  const long = { lockMs: 60_000, stalledMs: 60_000 };
  const leaving = await bench.consumer(async () => {
    void leaving.stop();
    return 'hand-back';
  }, long);
  await bench.add(uid);
  await until('it came', () => leaving.uids.length === 1);
  const other = await bench.consumer(settle, long);
  await until('it came to the other', () => other.uids.length === 1, 15_000);
  expect(leaving.uids).toEqual([uid]);
});

pin(
  'nothing is left of a settled job, and its uid is taken again',
  'protocol/bullmq.ts, protocol/scripts/sweep.lua',
  async (bench) => {
    const heard = await bench.consumer(settle);
    const uid = newUid();
    for (const times of [1, 2]) {
      await bench.add(uid);
      await until('it came', () => heard.uids.length === times);
      await until('it is forgotten', async () => (await bench.redis.exists(bench.key(uid))) === 0);
    }
    expect((await bench.redis.keys(bench.key('*'))).filter((key) => key.includes(uid))).toEqual([]);
    expect(await bench.redis.exists(bench.key('completed'), bench.key('failed'), bench.key('active'))).toBe(0);
  },
);

pin('a job that it holds is not added again', 'protocol/bullmq.ts (adding may be repeated)', async (bench) => {
  const uid = newUid();
  await bench.add(uid, uid);
  await bench.add(uid);
  expect(await bench.redis.llen(bench.key('wait'))).toBe(1);
  const heard = await bench.consumer(after(500));
  await until('it came', () => heard.uids.length === 1);
  await bench.add(uid);
  await until('it is forgotten', async () => (await bench.redis.exists(bench.key(uid))) === 0);
  await sleep(200);
  expect(heard.uids).toEqual([uid]);
});

pin('a job that it holds is a hash under bull:jobs:UID', 'protocol/scripts/sweep.lua (is_held)', async (bench) => {
  const heard = await bench.consumer(after(500));
  const uid = newUid();
  expect(await bench.redis.type(bench.key(uid))).toBe('none');
  await bench.add(uid);
  await until('it came', () => heard.uids.length === 1);
  expect(await bench.redis.type(bench.key(uid))).toBe('hash');
  await bench.add(...['', ''].map(newUid));
  const waiting = await bench.redis.lrange(bench.key('wait'), 0, -1);
  for (const id of waiting) expect(await bench.redis.type(bench.key(id))).toBe('hash');
});

pin(
  'all its keys begin with the prefix',
  'protocol/keys.ts (one cluster slot, and what a login may touch)',
  async (bench) => {
    const heard = await bench.consumer(settle);
    await bench.add(newUid(), newUid());
    await until('they came', () => heard.uids.length === 2);
    const named = (await bench.redis.keys('*')).filter((key) => key.includes(bench.queue));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((key) => !key.startsWith(`bp:{${bench.queue}:0}:bull:jobs`))).toEqual([]);
  },
);

pin('it keeps as many events as it is told to', 'protocol/bullmq.ts (nobody reads them)', async (bench) => {
  const heard = await bench.consumer(settle, { slots: 8 });
  for (let round = 0; round < 4; round++) await bench.add(...Array.from({ length: 100 }, newUid));
  await until('all came', () => heard.uids.length === 400);
  // Redis trims by whole nodes of a stream, 100 entries each by default.
  expect(await bench.redis.xlen(bench.key('events'))).toBeLessThanOrEqual(300);
});

pin(
  'what a processor throws makes it forget a job, except WaitingError',
  'worker/consume.ts (nothing else leaves it)',
  async (bench) => {
    const failed: (string | undefined)[] = [];
    const worker = new Worker(BULL_QUEUE_NAME, () => Promise.reject(new Error('a fault')), {
      connection: bench.redis,
      prefix: bullPrefix(bench.queue),
      removeOnFail: { count: 0 },
    });
    worker.on('failed', (job) => failed.push(job?.id));
    const uid = newUid();
    await bench.add(uid);
    await until('it is told', () => failed.length > 0);
    expect(failed).toEqual([uid]);
    expect(await bench.redis.exists(bench.key(uid))).toBe(0);
    await worker.close();
  },
);

pin(
  'its blocking connection is a duplicate of ours',
  'worker/redis-connections.ts (BullRedis: how long it may be silent)',
  async (bench) => {
    const asked: unknown[] = [];
    const made = bench.redis.duplicate.bind(bench.redis);
    bench.redis.duplicate = (options) => {
      asked.push(options);
      return made(options);
    };
    const worker = await fetcher(bench, 60_000);
    expect(asked).toHaveLength(1);
    await worker.close(true);
  },
);

pin('an idle worker comes to moveToActive again and again', 'worker/signals/progress.ts (health)', async (bench) => {
  const heard = await bench.consumer(settle);
  await until('it is idle', () => heard.rounds > 0);
  const before = heard.rounds;
  await until('two more rounds', () => heard.rounds >= before + 2, 40_000);
  expect(heard.uids).toEqual([]);
});
