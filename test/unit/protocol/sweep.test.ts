import { setTimeout as sleep } from 'node:timers/promises';
import { type Queue, Worker } from 'bullmq';
import { afterEach, expect, it } from 'vitest';
import { addReleased, BULL_QUEUE_NAME, bullPrefix, openBullQueue } from '../../../protocol/index.ts';
import { type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();
const NOW = { batch: 100, settleMs: 0, againMs: 0 };
const open: Queue[] = [];

afterEach(async () => {
  for (const queue of open.splice(0)) await queue.close();
});

function bullOf(queue: TestQueue): Queue {
  const bull = openBullQueue(bench.redis, queue.name);
  open.push(bull);
  return bull;
}

it('reports a job that was released and never reached BullMQ, after it had time to', async () => {
  const queue = bench.queue();
  await queue.register();
  const { uid } = await queue.accept('j1');
  expect(await queue.protocol.sweep()).toEqual({ releases: [], endings: [] });
  expect(await queue.protocol.sweep({ ...NOW, againMs: 60_000 })).toEqual({ releases: [uid], endings: [] });
  expect(await queue.protocol.sweep(NOW)).toEqual({ releases: [], endings: [] });
});

it('leaves alone what BullMQ holds', async () => {
  const queue = bench.queue();
  await queue.register();
  const { uid } = await queue.accept('j1');
  await addReleased(bullOf(queue), [uid]);
  expect(await queue.protocol.sweep(NOW)).toEqual({ releases: [], endings: [] });
});

it('knows BullMQ’s name for a job that waits and one that is active, and that it forgets one that is done', async () => {
  const queue = bench.queue();
  await queue.register();
  const { uid } = await queue.accept('j1');
  await addReleased(bullOf(queue), [uid]);
  const key = `${queue.keys.prefix}bull:jobs:${uid}`;
  expect(await bench.redis.exists(key)).toBe(1);
  const existed: number[] = [];
  const worker = new Worker(BULL_QUEUE_NAME, async () => existed.push(await bench.redis.exists(key)), {
    connection: bench.redis.duplicate({ maxRetriesPerRequest: null }),
    prefix: bullPrefix(queue.name),
  });
  await new Promise((done) => worker.once('completed', done));
  await worker.close();
  expect(existed).toEqual([1]);
  expect(await bench.redis.exists(key)).toBe(0);
});

it('reports a waiting job that has expired, with what its audit record needs', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { expiresInMs: 1 });
  await sleep(5);
  const state = await queue.protocol.peek(uid);
  const { endings } = await queue.protocol.sweep();
  const { documentSha256, acceptedAtMs } = state ?? {};
  const names = { uid, tenant: 'acme', id: 'j1', epoch: 0 };
  expect(endings).toEqual([{ ...names, why: 'expired', by: null, documentSha256, acceptedAtMs }]);
});

it('tells only one sweeper of an ending, and another when the first does not commit it', async () => {
  const queue = bench.queue();
  await queue.accept('j1', { expiresInMs: 1 });
  await sleep(5);
  const limits = { ...NOW, againMs: 100 };
  expect((await queue.protocol.sweep(limits)).endings).toHaveLength(1);
  expect((await queue.protocol.sweep(limits)).endings).toHaveLength(0);
  await sleep(110);
  expect((await queue.protocol.sweep(limits)).endings).toHaveLength(1);
});

it('leaves a begun job to its worker while that lives', async () => {
  const queue = bench.queue();
  await queue.register();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  expect(await queue.protocol.sweep(NOW)).toEqual({ releases: [], endings: [] });
});

it('reports a begun job as lost when its worker is gone and its attempts are used up', async () => {
  const queue = bench.queue();
  await queue.register({ ttlMs: 20 });
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  await sleep(30);
  expect((await queue.protocol.sweep(NOW)).endings).toMatchObject([{ uid, epoch: 1, why: 'lost', by: null }]);
});

it('adds a begun job again when its worker is gone and attempts are left', async () => {
  const queue = bench.queue();
  await queue.register({ ttlMs: 20 });
  const { uid } = await queue.accept('j1', { attempts: 2 });
  await queue.run(uid);
  await sleep(30);
  expect(await queue.protocol.sweep(NOW)).toEqual({ releases: [uid], endings: [] });
});

it('tells a worker from its successor of the same name', async () => {
  const queue = bench.queue();
  await queue.register();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  await queue.register({ bootId: 'boot-2' });
  expect((await queue.protocol.sweep(NOW)).endings).toMatchObject([{ uid, why: 'lost' }]);
});

it('reports a cancelled job whose worker is gone as cancelled', async () => {
  const queue = bench.queue();
  await queue.register({ ttlMs: 20 });
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  await queue.protocol.cancel({ tenant: 'acme', id: 'j1' });
  await sleep(30);
  expect((await queue.protocol.sweep(NOW)).endings).toMatchObject([{ uid, epoch: 1, why: 'cancelled', by: 'caller' }]);
});

it('forgets entries of jobs that have ended or never were', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1');
  await bench.redis.zadd(queue.keys.inflight, 1, uid, 1, 'nobody');
  await bench.redis.zadd(queue.keys.due, 1, uid, 1, 'nobody');
  expect(await queue.protocol.sweep(NOW)).toEqual({ releases: [], endings: [] });
  expect([await bench.redis.zcard(queue.keys.inflight), await bench.redis.zcard(queue.keys.due)]).toEqual([0, 0]);
});

it('releases what the slots have room for', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxRunningJobs: 0 });
  const { uid } = await queue.accept('j1');
  expect(await queue.register()).toEqual([]);
  await queue.protocol.limitTenant('acme', { maxRunningJobs: 'unsaid' });
  expect((await queue.protocol.sweep(NOW)).releases).toEqual([uid]);
});

it('looks at a bounded number at once, and at the others the next time', async () => {
  const queue = bench.queue();
  await queue.register({ slots: 4 });
  const uids: string[] = [];
  for (let n = 0; n < 6; n++) uids.push((await queue.accept(`j${n}`)).uid);
  const limits = { batch: 4, settleMs: 0, againMs: 60_000 };
  const first = await queue.protocol.sweep(limits);
  const second = await queue.protocol.sweep(limits);
  expect([first.releases.length, second.releases.length]).toEqual([4, 2]);
  expect([...first.releases, ...second.releases].sort()).toEqual([...uids].sort());
});

it('adding a released job twice makes one job', async () => {
  const queue = bench.queue();
  await queue.register();
  const { uid } = await queue.accept('j1');
  const bull = bullOf(queue);
  await addReleased(bull, [uid]);
  await addReleased(bull, [uid]);
  await addReleased(bull, []);
  expect(await bull.getWaitingCount()).toBe(1);
});
