import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { useRedis } from './bench-queue.ts';

const bench = useRedis();

it('an empty queue has no oldest job', async () => {
  expect(await bench.queue().protocol.depth()).toEqual({
    ...{ waiting: 0, released: 0, running: 0, dead: 0, deadDropped: 0, oldestWaitingMs: null },
  });
});

it('the oldest waiting job is the one accepted first, whatever its priority and expiry', async () => {
  const queue = bench.queue();
  await queue.accept('first', { priority: 9, expiresInMs: 600_000 });
  await sleep(50);
  await queue.accept('second', { priority: 0, expiresInMs: 1_000, tenant: 'other' });
  const { waiting, oldestWaitingMs } = await queue.protocol.depth();
  expect(waiting).toBe(2);
  expect(oldestWaitingMs).toBeGreaterThanOrEqual(50);
});

it('what an older worker left among the waiting is cleared by a sweep', async () => {
  const queue = bench.queue();
  await queue.accept('waiting');
  await queue.redis.zadd(queue.keys.arrived, 1, 'begun-by-an-older-worker');
  expect((await queue.protocol.depth()).oldestWaitingMs).toBeGreaterThan(1_000_000);
  await queue.protocol.sweep();
  expect((await queue.protocol.depth()).oldestWaitingMs).toBeLessThan(60_000);
  expect(await queue.redis.zcard(queue.keys.arrived)).toBe(1);
});
