import { expect, it } from 'vitest';
import { newUid } from '../../../protocol/index.ts';
import { type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();
const DIED = { outcome: 'worker-lost', dead: 'worker-died' } as const;
const NOW = { batch: 100, settleMs: 0, againMs: 0 };

async function letterOf(queue: TestQueue, uid: string) {
  const letter = await queue.protocol.findDead(uid);
  if (letter === null) throw new Error(`${uid} is no dead letter`);
  return letter;
}

/** Accepts the retry of a letter under the names that it was given. */
async function acceptRetry(queue: TestQueue, uid: string): Promise<{ uid: string; id: string }> {
  const named = await queue.protocol.nameRetry({ letter: await letterOf(queue, uid), newUid: newUid() });
  if (named.answer !== 'named') throw new Error(named.answer);
  await queue.accept(named.id, { uid: named.uid });
  return named;
}

it('keeps what can be tried again with its reason, and nothing of what has simply ended', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', DIED);
  await queue.finish('j2');
  const { letters, bytes, dropped } = await queue.protocol.listDead();
  expect(letters).toMatchObject([
    { uid, tenant: 'acme', id: 'j1', reason: 'worker-died', epoch: 1, documentBytes: 11 },
  ]);
  expect({ bytes, dropped }).toEqual({ bytes: 11, dropped: 0 });
  expect(Buffer.from((await queue.protocol.readDocument(uid)) ?? '').toString()).toBe('{"id":"j1"}');
});

it('keeps a document in chunks too', async () => {
  const queue = bench.queue();
  const document = Buffer.alloc(1_300_000, 'd');
  const { uid } = await queue.accept('j1', { document });
  await queue.run(uid);
  await queue.commit(uid, DIED);
  expect(await queue.protocol.readDocument(uid)).toEqual(document);
  expect((await queue.protocol.listDead()).bytes).toBe(document.length);
});

it('does not hand out a document that was changed', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', DIED);
  await bench.redis.hset(queue.keys.job(uid), 'document', '{"id":"evil"}');
  expect(await queue.protocol.readDocument(uid)).toBeNull();
});

it('beyond 1,000 the oldest loses its document, and the commit says which', async () => {
  const queue = bench.queue();
  const oldest = await queue.finish('j0', DIED);
  const later = Array.from({ length: 999 }, (_, n) => [Date.now() + 1000 + n, `other-${n}`]).flat();
  await bench.redis.zadd(queue.keys.dead, ...later);
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  expect(await queue.commit(uid, DIED)).toEqual({ answer: 'ok', releases: [], dropped: [oldest] });
  expect(await queue.protocol.stats()).toMatchObject({ dead: 1000, deadDropped: 1 });
  expect(await bench.redis.hexists(queue.keys.job(oldest), 'document')).toBe(0);
  expect(await queue.protocol.explainNoDead(oldest)).toEqual({ why: 'dropped', retryId: null });
  expect((await queue.protocol.listDead()).droppedAtMs).toBeGreaterThan(0);
});

it('beyond 64 MiB too', async () => {
  const queue = bench.queue();
  const uids: string[] = [];
  const dropped: string[] = [];
  for (let n = 0; n < 33; n++) {
    const { uid } = await queue.accept(`j${n}`, { document: Buffer.alloc(2 * 1024 * 1024, `${n}`) });
    await queue.run(uid);
    const committed = await queue.commit(uid, DIED);
    if (committed.answer === 'ok') dropped.push(...committed.dropped);
    uids.push(uid);
  }
  expect(dropped).toEqual([uids[0]]);
  expect(await queue.protocol.listDead()).toMatchObject({ bytes: 64 * 1024 * 1024, dropped: 1 });
  expect(await bench.redis.exists(queue.keys.document(uids[0] ?? '', 0))).toBe(0);
});

it('names a retry ID.retry-N, the same as often as it is asked, and knows it by retryOf', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', DIED);
  const first = await acceptRetry(queue, uid);
  expect(first.id).toBe('j1.retry-1');
  const again = await queue.protocol.nameRetry({ letter: await letterOf(queue, uid), newUid: newUid() });
  expect(again).toEqual({ answer: 'named', uid: first.uid, id: first.id });
  expect(await queue.protocol.bury(uid, 'retried')).toBe(true);
  expect(await queue.protocol.peek(first.uid)).toMatchObject({ state: 'waiting', retryOf: 'j1' });
  expect(await queue.protocol.readResult(uid)).toMatchObject({ answer: 'result' });
});

it('a letter that was retried is none any more, and says as what it was', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', DIED);
  const letter = await letterOf(queue, uid);
  await acceptRetry(queue, uid);
  await queue.protocol.bury(uid, 'retried');
  const gone = { why: 'retried', retryId: 'j1.retry-1' };
  expect(await queue.protocol.nameRetry({ letter, newUid: newUid() })).toEqual({ answer: 'gone', ...gone });
  expect(await queue.protocol.explainNoDead(uid)).toEqual(gone);
  expect((await queue.protocol.listDead()).letters).toEqual([]);
});

it('the retry of a retry counts on; an id that only looks like one does not', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', DIED);
  const first = await acceptRetry(queue, uid);
  await queue.protocol.bury(uid, 'retried');
  await queue.run(first.uid);
  await queue.commit(first.uid, DIED);
  expect((await acceptRetry(queue, first.uid)).id).toBe('j1.retry-2');
  const lookalike = await queue.finish('j2.retry-1', DIED);
  expect((await acceptRetry(queue, lookalike)).id).toBe('j2.retry-1.retry-1');
});

it('passes over ids that belong to other jobs, also one that was taken after it was named', async () => {
  const queue = bench.queue();
  await queue.accept('j1.retry-1');
  const uid = await queue.finish('j1', DIED);
  const letter = await letterOf(queue, uid);
  const named = await queue.protocol.nameRetry({ letter, newUid: newUid() });
  expect(named).toMatchObject({ id: 'j1.retry-2' });
  await queue.accept('j1.retry-2');
  expect(await queue.protocol.nameRetry({ letter, newUid: newUid() })).toMatchObject({ id: 'j1.retry-3' });
});

it('a purged letter is gone with its document; its result stays', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', DIED);
  expect(await queue.protocol.bury(uid, 'purged')).toBe(true);
  expect(await queue.protocol.bury(uid, 'purged')).toBe(false);
  expect(await bench.redis.hexists(queue.keys.job(uid), 'document')).toBe(0);
  expect(await queue.protocol.listDead()).toMatchObject({ letters: [], bytes: 0 });
  expect(await queue.protocol.readResult(uid)).toMatchObject({ answer: 'result' });
  expect(await queue.protocol.explainNoDead(uid)).toEqual({ why: 'purged', retryId: null });
});

it.each([
  ['alive', (queue: TestQueue) => queue.accept('j1').then(({ uid }) => uid)],
  ['never', (queue: TestQueue) => queue.finish('j1')],
  ['unknown', async () => 'a'.repeat(26)],
] as const)('there is nothing to retry of a job that is: %s', async (why, make) => {
  const queue = bench.queue();
  const uid = await make(queue);
  const letter = { uid, id: 'j1', retryOf: null };
  expect(await queue.protocol.nameRetry({ letter, newUid: newUid() })).toEqual({ answer: 'gone', why, retryId: null });
  expect(await queue.protocol.explainNoDead(uid)).toEqual({ why, retryId: null });
  expect(await queue.protocol.bury(uid, 'purged')).toBe(false);
});

async function beginAgain(queue: TestQueue, uid: string, epoch: number) {
  return queue.begin(uid, { instance: `w-${epoch}`, token: `t-${epoch}`, expectedEpoch: epoch });
}

it('a job of which three executions began and none ended is poison, whatever its attempts', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 10 });
  for (const epoch of [1, 2, 3]) expect(await beginAgain(queue, uid, epoch)).toMatchObject({ answer: 'run', epoch });
  expect(await beginAgain(queue, uid, 4)).toEqual({ answer: 'poison', epoch: 3, tenant: 'acme', id: 'j1' });
  expect(await queue.protocol.peek(uid)).toMatchObject({ state: 'running', epoch: 3, unended: 3 });
});

it('executions that yielded are no sign of poison', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 10 });
  for (const epoch of [1, 2, 3, 4, 5]) {
    expect(await beginAgain(queue, uid, epoch)).toMatchObject({ answer: 'run', epoch });
    expect(await queue.protocol.yield({ uid, epoch })).toEqual({ answer: 'yielded' });
    expect(await queue.protocol.yield({ uid, epoch })).toEqual({ answer: 'yielded' });
  }
  expect(await queue.protocol.peek(uid)).toMatchObject({ epoch: 5, unended: 0 });
});

it('only the current execution of a job that has not ended can yield', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 2 });
  expect(await queue.protocol.yield({ uid, epoch: 1 })).toEqual({ answer: 'gone' });
  await beginAgain(queue, uid, 1);
  await beginAgain(queue, uid, 2);
  expect(await queue.protocol.yield({ uid, epoch: 1 })).toEqual({ answer: 'fenced', epoch: 2 });
  await queue.commit(uid, { epoch: 2 });
  expect(await queue.protocol.yield({ uid, epoch: 2 })).toEqual({ answer: 'gone' });
  expect(await queue.protocol.peek(uid)).toMatchObject({ epoch: 2, unended: 1 });
});

it('a sweep parks poison that no worker holds any more', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 10 });
  for (const epoch of [1, 2]) await beginAgain(queue, uid, epoch);
  await bench.redis.zadd(queue.keys.inflight, 1, uid);
  expect(await queue.protocol.sweep(NOW)).toMatchObject({ releases: [uid], endings: [] });
  await beginAgain(queue, uid, 3);
  expect((await queue.protocol.sweep(NOW)).endings).toMatchObject([{ uid, epoch: 3, why: 'poison' }]);
});
