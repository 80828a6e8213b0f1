import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { newUid, Waiter, WaiterClosedError, type WaiterTimes } from '../../../protocol/index.ts';
import { commitOf, type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();
const open: Waiter[] = [];

afterEach(async () => {
  for (const waiter of open.splice(0)) await waiter.close();
});

function waiterOf(queue: TestQueue, times?: Partial<WaiterTimes>): Waiter {
  const waiter = new Waiter(bench.redis, queue.name, times);
  open.push(waiter);
  return waiter;
}

async function listeners(channel: string): Promise<number> {
  const [, count] = (await bench.redis.call('PUBSUB', ['NUMSUB', channel])) as [string, number];
  return count;
}

async function subscribed(queue: TestQueue, uid: string): Promise<void> {
  const channel = queue.keys.done(uid);
  while ((await listeners(channel)) === 0) await sleep(2);
}

async function killSubscribers(): Promise<void> {
  await bench.redis.call('CLIENT', ['KILL', 'TYPE', 'pubsub']);
}

/** Whether a wait ends within so many ms. */
async function ends(wait: Promise<void>, ms: number): Promise<boolean> {
  return Promise.race([wait.then(() => true), sleep(ms, false)]);
}

it('wakes when the job ends', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const wait = waiterOf(queue).wait(uid);
  await subscribed(queue, uid);
  expect(await ends(wait, 20)).toBe(false);
  await queue.commit(uid);
  expect(await ends(wait, 200)).toBe(true);
});

it('returns at once for a job that has ended, and for one that nobody knows', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1');
  const waiter = waiterOf(queue);
  expect(await ends(waiter.wait(uid), 1000)).toBe(true);
  expect(await ends(waiter.wait(newUid()), 1000)).toBe(true);
});

it('wakes within 1 s when the subscriber’s connection was killed just before the job ended', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const wait = waiterOf(queue).wait(uid);
  await subscribed(queue, uid);
  const committed = bench.redis
    .multi()
    .call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    .exec()
    .then(() => queue.protocol.commit(commitOf(uid)));
  expect(await committed).toMatchObject({ answer: 'ok' });
  expect(await ends(wait, 1000)).toBe(true);
});

it('hears messages again after its connection was killed', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const wait = waiterOf(queue).wait(uid);
  await subscribed(queue, uid);
  await killSubscribers();
  await subscribed(queue, uid);
  await sleep(50);
  await queue.commit(uid);
  expect(await ends(wait, 200)).toBe(true);
});

it('reads all that it waits for now and then, whatever it heard', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const wait = waiterOf(queue, { readMs: 100 }).wait(uid);
  await subscribed(queue, uid);
  await sleep(50);
  await bench.redis.hset(queue.keys.job(uid), 'state', 'final'); // an end that nobody published
  expect(await ends(wait, 500)).toBe(true);
});

it('replaces a connection that leaves a ping unanswered', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const waiter = waiterOf(queue, { pingMs: 50 });
  const wait = waiter.wait(uid);
  await subscribed(queue, uid);
  const before = await bench.redis.call('CLIENT', ['LIST', 'TYPE', 'pubsub']);
  await bench.server.kill('SIGSTOP');
  await sleep(400);
  await bench.server.kill('SIGCONT');
  await subscribed(queue, uid);
  await sleep(100);
  expect(await bench.redis.call('CLIENT', ['LIST', 'TYPE', 'pubsub'])).not.toBe(before);
  await queue.run(uid);
  await queue.commit(uid);
  expect(await ends(wait, 1000)).toBe(true);
});

it('many wait for one job, one gives up by its signal, the others stay', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const waiter = waiterOf(queue);
  const stop = new AbortController();
  const left = waiter.wait(uid, stop.signal);
  const stayed = waiter.wait(uid);
  await subscribed(queue, uid);
  stop.abort(new Error('enough'));
  await expect(left).rejects.toThrow('enough');
  await expect(waiter.wait(uid, stop.signal)).rejects.toThrow('enough');
  await queue.commit(uid);
  expect(await ends(stayed, 200)).toBe(true);
});

it('unsubscribes when nobody waits for a job any more', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const stop = new AbortController();
  const wait = waiterOf(queue).wait(uid, stop.signal);
  await subscribed(queue, uid);
  stop.abort();
  await expect(wait).rejects.toThrow();
  await expect.poll(() => listeners(queue.keys.done(uid))).toBe(0);
});

it('closing it ends every wait with an error', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const waiter = waiterOf(queue);
  const wait = waiter.wait(uid);
  const failed = expect(wait).rejects.toThrow(WaiterClosedError);
  await waiter.close();
  await failed;
  await expect(waiter.wait(uid)).rejects.toThrow(WaiterClosedError);
});

it('a connection that fails fast is good enough: Redis being away only makes it later', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const redis = new Redis(bench.server.url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  await new Promise((done) => redis.once('ready', done));
  const waiter = new Waiter(redis, queue.name, { retryMs: 50 });
  open.push(waiter);
  await bench.server.kill('SIGKILL');
  const wait = waiter.wait(uid);
  await sleep(200);
  await bench.server.restart();
  await bench.redis.ping();
  await queue.commit(uid);
  expect(await ends(wait, 2000)).toBe(true);
  redis.disconnect();
});
