import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { offer, type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();

/** Accepts `count` jobs of a tenant; returns a name for each uid. */
async function fill(queue: TestQueue, tenant: string, count: number): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (let n = 1; n <= count; n++) {
    const { uid } = await queue.accept(`j${n}`, { tenant });
    names.set(uid, `${tenant}${n}`);
  }
  return names;
}

/** Ends the released jobs one after the other; returns the order in which jobs were released. */
async function work(queue: TestQueue, released: string[], names: Map<string, string>): Promise<string[]> {
  const order: string[] = [];
  for (const line = [...released]; line.length > 0; ) {
    const uid = line.shift() ?? '';
    order.push(names.get(uid) ?? uid);
    await queue.run(uid);
    const answer = await queue.commit(uid);
    if (answer.answer === 'ok') line.push(...answer.releases);
  }
  return order;
}

it('releases nothing before a worker registers, and then what was queued', async () => {
  const queue = bench.queue();
  const names = await fill(queue, 'a', 5);
  expect(await queue.protocol.release()).toEqual([]);
  const released = await queue.register({ slots: 2 });
  expect(released.map((uid) => names.get(uid))).toEqual(['a1', 'a2', 'a3']);
});

it('keeps no more in flight than slots x 1.5, over all live workers', async () => {
  const queue = bench.queue();
  await fill(queue, 'a', 20);
  expect(await queue.register({ slots: 1 })).toHaveLength(2);
  expect(await queue.register({ instance: 'w-2', slots: 3 })).toHaveLength(4);
  expect(await queue.protocol.release()).toEqual([]);
  expect((await queue.protocol.stats()).slots).toBe(4);
});

it('counts a worker no more once its offer has lapsed or was taken back, and again after a heartbeat', async () => {
  const queue = bench.queue();
  await queue.register({ slots: 2, ttlMs: 60 });
  await sleep(80);
  await fill(queue, 'a', 4);
  expect(await queue.protocol.release()).toEqual([]);
  expect(await queue.protocol.countWorkers()).toBe(0);
  expect(await queue.protocol.heartbeat(offer({ slots: 2 }))).toHaveLength(3);
  await queue.protocol.deregister({ instance: 'w-1', bootId: 'an earlier start' });
  expect(await queue.protocol.countWorkers()).toBe(1);
  await queue.protocol.deregister({ instance: 'w-1', bootId: 'boot-1' });
  expect(await queue.protocol.countWorkers()).toBe(0);
});

it('refuses a worker whose offer differs from a live one, unless mixed', async () => {
  const queue = bench.queue();
  await queue.register();
  const other = offer({ instance: 'w-2', bootId: 'boot-2', digest: 'different' });
  expect(await queue.protocol.register(other)).toEqual({ answer: 'differs', instance: 'w-1' });
  expect(await queue.protocol.countWorkers()).toBe(1);
  expect(await queue.protocol.register({ ...other, mixed: true })).toMatchObject({ answer: 'registered' });
  expect(await queue.protocol.heartbeat(offer())).toEqual([]);
});

it('serves tenants in turn, however many one has queued first', async () => {
  const queue = bench.queue();
  const names = new Map([...(await fill(queue, 'a', 6)), ...(await fill(queue, 'b', 3))]);
  const order = await work(queue, await queue.register({ slots: 1 }), names);
  expect(
    order
      .slice(0, 6)
      .map((name) => name.charAt(0))
      .sort(),
  ).toEqual(['a', 'a', 'a', 'b', 'b', 'b']);
  expect(order.slice(6)).toEqual(['a4', 'a5', 'a6']);
});

it('serves a tenant of weight 2 twice as often', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('b', { weight: 2 });
  const names = new Map([...(await fill(queue, 'a', 6)), ...(await fill(queue, 'b', 6))]);
  const order = await work(queue, await queue.register({ slots: 1 }), names);
  expect(order.slice(0, 9).filter((name) => name.startsWith('b'))).toHaveLength(6);
});

it('gives a tenant that was away no credit for it', async () => {
  const queue = bench.queue();
  const early = await fill(queue, 'a', 9);
  const first = await queue.register({ slots: 1 });
  const late = await fill(queue, 'b', 3);
  const order = await work(queue, first, new Map([...early, ...late]));
  expect(order.slice(2, 6).filter((name) => name.startsWith('b'))).toHaveLength(2);
  expect(await bench.redis.zcard(queue.keys.finish)).toBeLessThanOrEqual(2);
});

it('takes the lower priority number first within a tenant, then the earlier', async () => {
  const queue = bench.queue();
  const uids: string[] = [];
  for (const [n, priority] of [9, 5, 0, 5].entries()) uids.push((await queue.accept(`j${n}`, { priority })).uid);
  expect(await queue.register({ slots: 3 })).toEqual([uids[2], uids[1], uids[3], uids[0]]);
});

it('holds a tenant at its cap of running jobs, and lets it go on when one ends', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('a', { maxRunningJobs: 2 });
  await fill(queue, 'a', 5);
  const others = await fill(queue, 'b', 2);
  const released = await queue.register({ slots: 10 });
  const ofA = released.filter((uid) => !others.has(uid));
  expect([ofA.length, released.length]).toEqual([2, 4]);
  await queue.run(ofA[0] ?? '');
  expect(await queue.commit(ofA[0] ?? '')).toMatchObject({ answer: 'ok', releases: [expect.any(String)] });
});

it('is not held back by members of running whose job is gone, once a sweep has looked', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('a', { maxRunningJobs: 1 });
  await bench.redis.sadd(queue.keys.running('a'), 'a'.repeat(26));
  await fill(queue, 'a', 1);
  expect(await queue.register()).toEqual([]);
  expect((await queue.protocol.sweep()).releases).toHaveLength(1);
});

it('tells depth, workers and tenants', async () => {
  const queue = bench.queue();
  await fill(queue, 'a', 5);
  const released = await queue.register({ slots: 2 });
  await queue.run(released[0] ?? '');
  const stats = await queue.protocol.stats();
  expect(stats).toMatchObject({ waiting: 4, released: 2, running: 1, dead: 0, slots: 2 });
  expect(stats.workers).toMatchObject([{ instance: 'w-1', slots: 2, digest: 'same', offer: offer().offer }]);
  expect(stats.tenants).toEqual([{ tenant: 'a', waiting: 2, running: 3 }]);
  expect(stats.memory).toMatchObject({ usedBytes: expect.any(Number), maxBytes: 0 });
});
