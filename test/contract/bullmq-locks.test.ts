// Every behaviour of BullMQ that we rely on, against a real Redis: an upgrade that changes one fails here, by name. This file:
// locks, and what becomes of a job whose lock is gone.
// Timings are bounds of tens of seconds; where only one cause can bring a thing about, the other causes are given longer.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { newUid } from '../../protocol/index.ts';
import { after, Bench, fetcher, prove, proveOnBench, settle, until } from './bullmq.ts';

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

/** One behaviour, and the files that go wrong without it. */
function pin(behaviour: string, reliedOnIn: string, proof: (bench: Bench) => Promise<void>): void {
  it.concurrent(behaviour, () => proveOnBench(redis.url, { behaviour, reliedOnIn }, proof));
}

pin(
  'the token of a delivery is the value of its lock',
  'worker/consume.ts (hand-backs are made with it)',
  async (bench) => {
    const uid = newUid();
    const heard = await bench.consumer(after(500));
    await bench.add(uid);
    await until('it came', () => heard.uids.length === 1);
    const [token] = heard.deliveries[0]?.token.split('/') ?? [];
    expect(await bench.redis.get(bench.key(`${uid}:lock`))).toBe(token);
  },
);

pin(
  'processedOn is not later than the lock',
  'worker/consume.ts (the age of a lock, for the self-fence)',
  async (bench) => {
    const heard = await bench.consumer(after(500), { lockMs: 60_000 });
    const uid = newUid();
    const before = performance.now();
    await bench.add(uid);
    await until('it came', () => heard.uids.length === 1);
    const left = await bench.redis.pttl(bench.key(`${uid}:lock`));
    const endsAt = performance.now() + left;
    const lockedAt = heard.deliveries[0]?.lockedAt ?? 0;
    // Two clocks are read, in whole milliseconds.
    expect(lockedAt).toBeGreaterThanOrEqual(before - 2);
    expect(lockedAt + 60_000).toBeLessThanOrEqual(endsAt + 2);
  },
);

pin('who keeps its lock keeps its job, and is told of each renewal', 'worker/self-fence.ts', async (bench) => {
  const [first, second] = [await bench.consumer(after(5_000)), await bench.consumer(after(5_000))];
  const uid = newUid();
  await bench.add(uid);
  await until(
    'it is forgotten',
    async () => (await bench.redis.exists(bench.key(uid))) === 0 && first.uids.length + second.uids.length > 0,
  );
  expect([...first.uids, ...second.uids]).toEqual([uid]);
  const renewals = [...first.renewals, ...second.renewals];
  // Half a lock apart, of 5 s; some may be late.
  expect(renewals.length).toBeGreaterThanOrEqual(3);
  expect(renewals.every((renewal) => renewal.uid === uid)).toBe(true);
  expect([...first.lost, ...second.lost]).toEqual([]);
});

pin('a lost lock is told by lockRenewalFailed', 'worker/consume.ts (onLost: the sandbox is killed)', async (bench) => {
  const heard = await bench.consumer(after(4_000));
  const uid = newUid();
  await bench.add(uid);
  await until('it came', () => heard.uids.length === 1);
  await bench.redis.set(bench.key(`${uid}:lock`), 'another', 'PX', 60_000);
  await until('it is told', () => heard.lost.length > 0);
  expect(heard.lost).toContain(uid);
});

pin(
  'the job of a worker that died is delivered again, and not before its lock has run out',
  'worker/begin-job.ts (worker-lost)',
  async (bench) => {
    const dead = await bench.consumer(bench.hold);
    const uid = newUid();
    await bench.add(uid);
    await until('it came', () => dead.uids.length === 1);
    dead.die();
    const endsAt = performance.now() + (await bench.redis.pttl(bench.key(`${uid}:lock`)));
    const heard = await bench.consumer(settle);
    await until('it came again', () => heard.uids.length === 1);
    expect(performance.now()).toBeGreaterThanOrEqual(endsAt);
    expect(heard.deliveries[0]?.token.endsWith('/2')).toBe(true);
  },
);

pin(
  'with a high maxStalledCount a job may stall as often as it likes',
  'worker/consume.ts (epochs say how often it begins)',
  async (bench) => {
    const uid = newUid();
    await bench.add(uid);
    const worker = await fetcher(bench, 200);
    await worker.startStalledCheckTimer();
    for (let round = 1; round <= 5; round++) {
      await until(`it came for the ${round}th time`, async () => {
        const job = await worker.getNextJob(`dead-${round}`, { block: false });
        return job?.id === uid;
      });
    }
    const heard = await bench.consumer(settle);
    await until('it came once more', () => heard.uids.length === 1);
    await worker.close(true);
  },
);

pin(
  'with maxStalledCount 1 it fails such a job',
  'worker/consume.ts (why the count is high; the other way round of the test before)',
  async (bench) => {
    const uid = newUid();
    await bench.add(uid);
    const worker = await fetcher(bench, 200);
    worker.opts.maxStalledCount = 1;
    await worker.startStalledCheckTimer();
    await until('it stalls twice', async () => {
      await worker.getNextJob('dead', { block: false });
      return Number(await bench.redis.hget(bench.key(uid), 'stc')) > 1;
    });
    const heard = await bench.consumer(settle);
    await until('it is forgotten', async () => (await bench.redis.exists(bench.key(uid))) === 0);
    expect(heard.uids).toEqual([]);
    await worker.close(true);
  },
);

pin(
  'who lost the lock neither hands a job back nor finishes it',
  'worker/consume.ts (a late hand-back)',
  async (bench) => {
    const uid = newUid();
    await bench.add(uid);
    const worker = await fetcher(bench, 60_000);
    const job = await worker.getNextJob('first', { block: false });
    if (job === undefined) throw new Error('no job came');
    await bench.redis.set(bench.key(`${uid}:lock`), 'second', 'PX', 60_000);
    await expect(job.moveToWait('first')).rejects.toThrow();
    await expect(job.moveToCompleted(null, 'first', false)).rejects.toThrow();
    expect(await bench.redis.lrange(bench.key('active'), 0, -1)).toEqual([uid]);
    // Who has it may do both.
    await job.moveToWait('second');
    expect(await bench.redis.lrange(bench.key('wait'), 0, -1)).toEqual([uid]);
    await worker.close(true);
  },
);

pin('a consumer that stops takes nothing new, and keeps the lock of what it has', 'worker/drain.ts', async (bench) => {
  const leaving = await bench.consumer(after(5_000), { slots: 1 });
  const [first, second] = [newUid(), newUid()];
  await bench.add(first);
  await until('it came', () => leaving.uids.length === 1);
  const stopped = leaving.stop();
  await bench.add(second);
  const other = await bench.consumer(settle);
  await until('the second came to the other', () => other.uids.length > 0);
  await stopped;
  expect([leaving.uids, other.uids]).toEqual([[first], [second]]);
  expect(leaving.renewals.length).toBeGreaterThanOrEqual(2);
});

it('locks are renewed in a full Redis: its script for that begins with extendLocks and has no flags of its own', async () => {
  const own = await startPrivateRedis();
  const bench = new Bench(own.url);
  const heard = await bench.consumer(after(6_000));
  const proof = async () => {
    await bench.add(newUid());
    await until('it came', () => heard.uids.length === 1);
    await bench.redis.config('SET', 'maxmemory', '1mb');
    await expect(bench.redis.set('any', 'x')).rejects.toThrow(/OOM/);
    const before = heard.renewals.length;
    await until('two more renewals', () => heard.renewals.length >= before + 2);
    expect(heard.lost).toEqual([]);
    await bench.redis.config('SET', 'maxmemory', '0');
  };
  await prove('extendLocks can be given flags', 'worker/redis-connections.ts (BullRedis)', proof).finally(async () => {
    await bench.close();
    await own.stop();
  });
});
