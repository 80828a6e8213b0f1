import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { commitOf, record, useRedis } from './bench-queue.ts';

const bench = useRedis();

it('writes the result with its audit pointer, and leaves a tombstone without the document', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const finished = record(1);
  const wanted = commitOf(uid);
  expect(await queue.commit(uid, { records: [finished] })).toEqual({ answer: 'ok', releases: [], dropped: [] });
  expect(await queue.protocol.readResult(uid)).toEqual({
    answer: 'result',
    bytes: wanted.result,
    sha256: wanted.resultSha256,
    audit: { log: 'w-1', seq: 1 },
    trace: null,
  });
  expect(await queue.protocol.peek(uid)).toMatchObject({ state: 'final', outcome: 'exited', epoch: 1 });
  expect(await bench.redis.hexists(queue.keys.job(uid), 'document')).toBe(0);
});

it('takes the job out of every list', async () => {
  const queue = bench.queue();
  await queue.register();
  const uid = await queue.finish('j1');
  const { keys } = queue;
  const lists = [keys.due, keys.inflight, keys.pending('acme')].map((key) => bench.redis.zscore(key, uid));
  expect(await Promise.all([...lists, bench.redis.sismember(keys.running('acme'), uid)])).toEqual([
    null,
    null,
    null,
    0,
  ]);
});

it('releases the next job', async () => {
  const queue = bench.queue();
  await queue.register({ slots: 1 });
  const [first, second, third] = [await queue.accept('j1'), await queue.accept('j2'), await queue.accept('j3')];
  expect([first, second, third].map((job) => job.releases)).toEqual([[first.uid], [second.uid], []]);
  await queue.run(first.uid);
  expect(await queue.commit(first.uid)).toMatchObject({ answer: 'ok', releases: [third.uid] });
});

it('answers already to a second commit: the same result or another', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1');
  expect(await queue.commit(uid)).toEqual({ answer: 'already', same: true, outcome: 'exited' });
  const other = { ...commitOf(uid, 'other'), outcome: 'worker-lost' as const };
  expect(await queue.commit(uid, other)).toEqual({ answer: 'already', same: false, outcome: 'exited' });
  expect(await queue.protocol.readResult(uid)).toMatchObject({ sha256: commitOf(uid).resultSha256 });
});

it('answers fenced to an earlier epoch, and keeps its record with that verdict', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 2 });
  await queue.run(uid);
  await queue.run(uid, { instance: 'w-2', expectedEpoch: 2 });
  expect(await queue.commit(uid, { epoch: 1, records: [record(1)] })).toEqual({ answer: 'fenced', epoch: 2 });
  expect(await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 1 })).toMatchObject([{ verdict: 'fenced' }]);
  expect(await queue.protocol.readResult(uid)).toEqual({ answer: 'pending' });
  expect(await queue.commit(uid, { epoch: 2 })).toMatchObject({ answer: 'ok' });
});

it('takes epoch 0 for a job that never began, and fences it once the job has begun', async () => {
  const queue = bench.queue();
  const waiting = await queue.accept('j1');
  expect(await queue.commit(waiting.uid, { epoch: 0, outcome: 'expired' })).toMatchObject({ answer: 'ok' });
  const begun = await queue.accept('j2');
  await queue.run(begun.uid);
  expect(await queue.commit(begun.uid, { epoch: 0, outcome: 'expired' })).toEqual({ answer: 'fenced', epoch: 1 });
});

it('answers gap and writes nothing', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  expect(await queue.commit(uid, { records: [record(7)] })).toMatchObject({ answer: 'gap', head: { seq: 0 } });
  expect(await queue.protocol.readResult(uid)).toEqual({ answer: 'pending' });
});

it('answers gone for a job that nobody knows', async () => {
  expect(await bench.queue().commit('a'.repeat(26))).toEqual({ answer: 'gone' });
});

it('the outcome outlives the result, and both have an end', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1', { resultTtlMs: 60, tombstoneTtlMs: 400 });
  expect(await queue.protocol.readResult(uid)).toMatchObject({ answer: 'result' });
  await sleep(80);
  expect(await queue.protocol.readResult(uid)).toEqual({ answer: 'expired', outcome: 'exited' });
  await sleep(400);
  expect(await queue.protocol.readResult(uid)).toEqual({ answer: 'unknown' });
  expect(await queue.protocol.readState('acme', 'j1')).toBeNull();
  const again = await queue.accept('j1');
  expect(again.uid).not.toBe(uid);
});
