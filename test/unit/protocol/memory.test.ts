import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { commitOf, TestQueue } from './bench-queue.ts';

const MIB = 1024 * 1024;
const NOW = { batch: 500, settleMs: 60_000, againMs: 60_000 };

let server: PrivateRedis;
let redis: Redis;
let queue: TestQueue;
beforeEach(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url);
  queue = new TestQueue(redis);
  await redis.config('SET', 'appendonly', 'no');
});
afterEach(async () => {
  redis.disconnect();
  await server.stop();
});

async function usedBytes(): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
}

/** Leaves `share` of maxmemory used. */
async function fill(share: number): Promise<void> {
  await redis.config('SET', 'maxmemory', Math.floor((await usedBytes()) / share));
}

it('above 90 % of maxmemory nothing is released, what was released begins and ends, and below it goes on', async () => {
  await queue.register({ slots: 2 });
  const uids: string[] = [];
  for (const id of ['j1', 'j2', 'j3', 'j4']) uids.push((await queue.accept(id)).uid);
  const [first = '', , , last = ''] = uids;
  await fill(0.98);
  expect((await queue.protocol.sweep(NOW)).releases).toEqual([]);
  await queue.run(first);
  expect(await queue.commit(first)).toMatchObject({ answer: 'ok', releases: [] });
  await redis.config('SET', 'maxmemory', 0);
  expect((await queue.protocol.sweep(NOW)).releases).toEqual([last]);
});

it('between 85 and 90 % no job is accepted, and the waiting ones are released', async () => {
  await queue.register({ slots: 0 });
  const { uid } = await queue.accept('j1');
  await redis.set('ballast', Buffer.alloc(20 * MIB));
  await fill(0.875);
  await expect(queue.accept('j2')).rejects.toThrow('quota');
  expect(await queue.register({ slots: 1 })).toEqual([uid]);
});

it('results and their large content go when their time is over, and not while it was made longer', async () => {
  const names = () => redis.zrange(`${queue.keys.prefix}expiring`, '0', '-1');
  const short = await queue.protocol.putResultBlob('acme', Buffer.from('short'), 50);
  const longer = await queue.protocol.putResultBlob('acme', Buffer.from('longer'), 50);
  await queue.protocol.putResultBlob('acme', Buffer.from('longer'), 60_000);
  const uid = await queue.finish('j1', { resultTtlMs: 50 });
  await sleep(60);
  await queue.protocol.sweep(NOW);
  expect(await names()).toEqual([`blob:acme:${longer.slice('sha256:'.length)}:0`]);
  expect(await queue.protocol.getBlob('acme', short)).toBeNull();
  expect(await queue.protocol.getBlob('acme', longer)).toEqual(Buffer.from('longer'));
  expect(await queue.protocol.readResult(uid)).toEqual({ answer: 'expired', outcome: 'exited' });
});

it('10,000 jobs that wait with 64 KiB of output before them stay below maxmemory, and all of them end', async () => {
  const [jobs, maxBytes] = [10_000, 128 * MIB];
  const output = commitOf('', 'o'.repeat(64 * 1024));
  const perResult = 80 * 1024;
  expect(jobs * perResult).toBeGreaterThan(6 * maxBytes);
  await redis.config('SET', 'maxmemory', maxBytes);
  for (let n = 0; n < jobs; n += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, m) => queue.accept(`job-${n + m}`)));
  }
  const ready = await queue.register({ slots: 16, ttlMs: 600_000 });
  const seen = { ended: 0, mostBytes: 0, full: 0 };
  while (seen.ended < jobs) {
    const uids = ready.splice(0, 24);
    if (uids.length === 0) {
      seen.full += await redis.exists(`${queue.keys.prefix}full`);
      await sleep(20);
      ready.push(...(await queue.protocol.sweep(NOW)).releases);
    }
    const ends = uids.map(async (uid) => {
      await queue.run(uid);
      // Long enough to fill it once; then short, so that the test is.
      const resultTtlMs = seen.full === 0 ? 5000 : 200;
      const answer = await queue.commit(uid, { ...output, uid, resultTtlMs });
      if (answer.answer === 'ok') ready.push(...answer.releases);
    });
    await Promise.all(ends);
    seen.ended += uids.length;
    seen.mostBytes = Math.max(seen.mostBytes, await usedBytes());
  }
  expect(seen.mostBytes).toBeLessThan(maxBytes);
  expect(seen.full).toBeGreaterThan(0);
  await sleep(250);
  while ((await redis.zcard(`${queue.keys.prefix}expiring`)) > 0) await queue.protocol.sweep({ ...NOW, batch: 1000 });
  expect(await usedBytes()).toBeLessThan(jobs * 1024 + 8 * MIB);
}, 120_000);
