import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { sha256Of } from '../../../protocol/blobs.ts';
import { type AcceptAnswer, type Acceptance, ALL_TENANTS } from '../../../protocol/index.ts';
import { acceptance, type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();

function accept(queue: TestQueue, id: string, o: Partial<Acceptance> = {}): Promise<AcceptAnswer> {
  return queue.protocol.accept(acceptance(id, o));
}

/** A document of a size, for a job of its own. */
function sized(bytes: number): Partial<Acceptance> {
  const document = randomBytes(bytes);
  return { document, sha256: sha256Of(document) };
}

it('refuses a tenant’s job above its cap of queued jobs, and no other tenant’s', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 2 });
  await queue.accept('j1');
  await queue.accept('j2');
  expect(await accept(queue, 'j3')).toMatchObject({ answer: 'quota', quota: 'tenant-queued-jobs', limit: 2 });
  expect(await accept(queue, 'j3', { tenant: 'other' })).toMatchObject({ answer: 'created' });
});

it('takes a job again when one of the tenant’s was released, cancelled or lifted above', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 2 });
  await queue.accept('j1');
  await queue.accept('j2');
  expect(await accept(queue, 'j3')).toMatchObject({ answer: 'quota' });
  await queue.protocol.cancel({ tenant: 'acme', id: 'j2' });
  expect(await accept(queue, 'j3')).toMatchObject({ answer: 'created' });
  expect(await accept(queue, 'j4')).toMatchObject({ answer: 'quota' });
  expect(await queue.register({ slots: 1 })).toHaveLength(2);
  for (const id of ['j4', 'j5']) expect(await accept(queue, id)).toMatchObject({ answer: 'created' });
  expect(await accept(queue, 'j6')).toMatchObject({ answer: 'quota' });
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: null });
  expect(await accept(queue, 'j6')).toMatchObject({ answer: 'created' });
});

it('counts documents, in chunks or not, and the content beside them against the cap of queued bytes', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedBytes: 202_000 });
  await queue.accept('small', sized(1000));
  await queue.accept('chunks', sized(100_000));
  await queue.accept('content', { ...sized(1000), contentBytes: 99_000 });
  expect(await queue.protocol.readTenant('acme')).toMatchObject({ queuedJobs: 3, queuedBytes: 201_000 });
  const over = { answer: 'quota', quota: 'tenant-queued-bytes', limit: 202_000 };
  expect(await accept(queue, 'j4', sized(1001))).toMatchObject(over);
  expect(await accept(queue, 'j4', { ...sized(1000), contentBytes: 1 })).toMatchObject(over);
  expect(await accept(queue, 'j4', sized(1000))).toMatchObject({ answer: 'created' });
});

it('leaves nothing of a refused document in Redis', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedBytes: 99_999 });
  const before = await bench.redis.dbsize();
  expect(await accept(queue, 'big', sized(100_000))).toMatchObject({ answer: 'quota' });
  expect(await bench.redis.dbsize()).toBe(before);
});

it('refuses above the caps of all tenants together', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant(ALL_TENANTS, { maxQueuedJobs: 2 });
  await queue.accept('j1', { tenant: 'a', ...sized(1000) });
  await queue.accept('j1', { tenant: 'b', ...sized(1000) });
  const third = { tenant: 'c', ...sized(1000) };
  expect(await accept(queue, 'j1', third)).toMatchObject({ answer: 'quota', quota: 'total-queued-jobs', limit: 2 });
  await queue.protocol.limitTenant(ALL_TENANTS, { maxQueuedJobs: 3, maxQueuedBytes: 2999 });
  expect(await accept(queue, 'j1', third)).toMatchObject({ answer: 'quota', quota: 'total-queued-bytes', limit: 2999 });
  await queue.protocol.limitTenant(ALL_TENANTS, { maxQueuedBytes: 3000 });
  expect(await accept(queue, 'j1', third)).toMatchObject({ answer: 'created' });
});

it('answers what was accepted before whatever the caps say now', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 0 });
  expect(await accept(queue, 'j1')).toEqual({ answer: 'exists', uid, state: 'waiting' });
  expect(await accept(queue, 'j2')).toMatchObject({ answer: 'quota', limit: 0 });
});

it('knows no bytes and no pace of a tenant that has nothing queued', async () => {
  const queue = bench.queue();
  await queue.accept('j1');
  await queue.accept('j1', { tenant: 'other' });
  await queue.protocol.cancel({ tenant: 'other', id: 'j1' });
  expect(await bench.redis.hkeys(queue.keys.queuedBytes)).toEqual(['acme', '+']);
  expect(await queue.register()).toHaveLength(1);
  expect(await bench.redis.exists(queue.keys.queuedBytes, queue.keys.pace)).toBe(0);
});

/** A tenant at its cap of one queued job, with two more at a worker. */
async function atItsCap(): Promise<TestQueue> {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 1 });
  await queue.register({ slots: 1 });
  for (const id of ['j1', 'j2', 'j3']) await queue.accept(id);
  return queue;
}

/** Says that a job was released so long ago, and one every so often before that. */
async function setPace(queue: TestQueue, of: string, { agoMs, everyMs }: Record<'agoMs' | 'everyMs', number>) {
  const [seconds] = await bench.redis.time();
  await bench.redis.hset(queue.keys.pace, of, `${Number(seconds) * 1000 - agoMs} ${everyMs}`);
}

const retryAfter = async (queue: TestQueue, o: Partial<Acceptance> = {}) => {
  const answer = await accept(queue, 'refused', o);
  return answer.answer === 'quota' ? answer.retryAfterMs : answer.answer;
};

it('says to try again when a job of the tenant is expected to leave the queue', async () => {
  const queue = await atItsCap();
  await setPace(queue, 'acme', { agoMs: 0, everyMs: 20_000 });
  expect(await retryAfter(queue)).toBe(20_000);
});

it('waits for as many jobs as must leave to make room for the bytes', async () => {
  const queue = await atItsCap();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 2, maxQueuedBytes: 1000 });
  await queue.protocol.cancel({ tenant: 'acme', id: 'j3' });
  await queue.accept('j4', sized(500));
  await queue.accept('j5', sized(500));
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: null });
  await setPace(queue, 'acme', { agoMs: 0, everyMs: 20_000 });
  expect(await retryAfter(queue, sized(500))).toBe(20_000);
  expect(await retryAfter(queue, sized(501))).toBe(40_000);
});

it('asks a queue that stands still no sooner than it has stood, between 100 ms and a minute', async () => {
  const queue = await atItsCap();
  await setPace(queue, 'acme', { agoMs: 30_000, everyMs: 10 });
  expect(await retryAfter(queue)).toBeGreaterThanOrEqual(30_000);
  await setPace(queue, 'acme', { agoMs: 3_600_000, everyMs: 10 });
  expect(await retryAfter(queue)).toBe(60_000);
  await setPace(queue, 'acme', { agoMs: -10_000, everyMs: 10 });
  expect(await retryAfter(queue)).toBe(100);
});

it('goes by the pace of all tenants at a cap of all', async () => {
  const queue = await atItsCap();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: null });
  await queue.protocol.limitTenant(ALL_TENANTS, { maxQueuedJobs: 0 });
  await setPace(queue, 'acme', { agoMs: 0, everyMs: 1 });
  await setPace(queue, '+', { agoMs: 0, everyMs: 10_000 });
  // Three wait, two of them with the worker: at a cap of none all three must go, and one more.
  expect(await retryAfter(queue)).toBe(40_000);
});

it('says 5 s where no worker serves the queue, and 1 s where nothing has moved yet', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 1, maxRunningJobs: 0 });
  await queue.accept('j1');
  expect(await retryAfter(queue)).toBe(5000);
  await queue.register();
  expect(await retryAfter(queue)).toBe(1000);
});

it('measures the pace while a cap is half used: the mean time between two releases of the tenant', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: 4 });
  await queue.register({ slots: 1 });
  const uids: string[] = [];
  for (const id of ['j1', 'j2', 'j3', 'j4', 'j5', 'j6']) uids.push((await queue.accept(id)).uid);
  await setPace(queue, 'acme', { agoMs: 10_000, everyMs: 10_000 });
  await queue.run(uids[0] ?? '');
  await queue.commit(uids[0] ?? '');
  await queue.run(uids[1] ?? '');
  await queue.commit(uids[1] ?? '');
  const [, mean] = (await bench.redis.hget(queue.keys.pace, 'acme'))?.split(' ') ?? [];
  // Two samples of a fifth each: 10,000 to 11,000 ms by the first, hardly anything by the second.
  expect(Number(mean)).toBeGreaterThanOrEqual(8000);
  expect(Number(mean)).toBeLessThan(10_000);
});
