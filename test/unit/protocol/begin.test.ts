import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { NO_HASH } from '../../../protocol/index.ts';
import { record, useRedis } from './bench-queue.ts';

const bench = useRedis();

it('runs: the document, epoch 1, and how long it waited by the clock of Redis', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await sleep(30);
  const begun = await queue.run(uid);
  expect(begun).toMatchObject({ epoch: 1, tenant: 'acme', id: 'j1', attempts: 1 });
  expect(Buffer.from(begun.document).toString()).toBe('{"id":"j1"}');
  expect(begun.queuedUs).toBeGreaterThanOrEqual(29_000);
  expect(begun.queuedUs).toBeLessThan(5_000_000);
  const state = await queue.protocol.peek(uid);
  expect(state).toMatchObject({ state: 'running', epoch: 1, worker: 'w-1', acceptedAtMs: begun.acceptedAtMs });
  expect((state?.startedAtMs ?? 0) - begun.acceptedAtMs).toBeGreaterThanOrEqual(29);
});

it('runs again with the same epoch and the same figures when the same delivery asks again', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const first = await queue.run(uid);
  expect(await queue.run(uid)).toEqual(first);
});

it('answers lost to another delivery when the attempts are used up', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.run(uid);
  const lost = { answer: 'lost', epoch: 1, tenant: 'acme', id: 'j1' };
  expect(await queue.begin(uid, { token: 't-2', expectedEpoch: 2 })).toEqual(lost);
  expect(await queue.begin(uid, { instance: 'w-2', expectedEpoch: 2 })).toEqual(lost);
});

it('runs with the next epoch for another delivery while attempts are left, and then no more', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 2 });
  await queue.run(uid);
  const second = await queue.run(uid, { instance: 'w-2', token: 't-2', expectedEpoch: 2 });
  expect(second.epoch).toBe(2);
  expect(await queue.begin(uid, { instance: 'w-3', expectedEpoch: 3 })).toMatchObject({ answer: 'lost', epoch: 2 });
});

it('answers moved with the epoch that it would be when the expected one is wrong', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { attempts: 2 });
  expect(await queue.begin(uid, { expectedEpoch: 2 })).toEqual({ answer: 'moved', epoch: 1 });
  expect((await queue.protocol.peek(uid))?.state).toBe('waiting');
  await queue.run(uid);
  expect(await queue.begin(uid, { expectedEpoch: 2 })).toEqual({ answer: 'moved', epoch: 1 });
  expect(await queue.begin(uid, { token: 't-2' })).toEqual({ answer: 'moved', epoch: 2 });
});

it('answers final for a job that has ended', async () => {
  const queue = bench.queue();
  const uid = await queue.finish('j1');
  expect(await queue.begin(uid)).toEqual({ answer: 'final', outcome: 'exited' });
});

it('answers cancelled, before and after it has begun', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await queue.protocol.cancel({ tenant: 'acme', id: 'j1', by: 'operator' });
  expect(await queue.begin(uid)).toEqual({ answer: 'cancelled', by: 'operator', epoch: 0, tenant: 'acme', id: 'j1' });
  const running = await queue.accept('j2', { attempts: 2 });
  await queue.run(running.uid);
  await queue.protocol.cancel({ tenant: 'acme', id: 'j2' });
  const again = await queue.begin(running.uid, { token: 't-2', expectedEpoch: 2 });
  expect(again).toMatchObject({ answer: 'cancelled', by: 'caller', epoch: 1 });
});

it('answers expired only for a job that has never begun', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1', { expiresInMs: 1 });
  const begun = await queue.accept('j2', { expiresInMs: 200, attempts: 2 });
  await queue.run(begun.uid);
  await sleep(210);
  expect(await queue.begin(uid)).toEqual({ answer: 'expired', epoch: 0, tenant: 'acme', id: 'j1' });
  expect((await queue.run(begun.uid, { token: 't-2', expectedEpoch: 2 })).epoch).toBe(2);
});

it('answers gone for a job that nobody knows', async () => {
  const queue = bench.queue();
  expect(await queue.begin('a'.repeat(26))).toEqual({ answer: 'gone' });
});

it('answers gap and changes nothing when a record does not follow the head', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const first = record(1);
  await queue.protocol.appendAudit([first]);
  const head = { seq: 1, sha256: first.sha256 };
  expect(await queue.begin(uid, { records: [record(3)] })).toEqual({ answer: 'gap', head });
  expect(await queue.begin(uid, { records: [record(2, NO_HASH)] })).toEqual({ answer: 'gap', head });
  expect(await queue.protocol.peek(uid)).toMatchObject({ state: 'waiting', epoch: 0 });
  expect(await queue.protocol.readAuditHead('w-1')).toEqual(head);
});

it('stores its records with the verdict, once, also when the same call comes twice', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const accepted = record(1);
  const started = record(2, accepted.sha256);
  const call = { records: [accepted, started] };
  expect(await queue.run(uid, call)).toEqual(await queue.run(uid, call));
  const stored = await queue.protocol.readAudit({ log: 'w-1', afterSeq: 0, limit: 10 });
  expect(stored.map((r) => [r.seq, r.sha256, r.verdict])).toEqual([
    [1, accepted.sha256, 'run'],
    [2, started.sha256, 'run'],
  ]);
});

it('answers corrupt when the stored document is not what was accepted', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await bench.redis.hset(queue.keys.job(uid), 'document', '{"id":"evil"}');
  expect(await queue.begin(uid)).toEqual({ answer: 'corrupt', epoch: 1, tenant: 'acme', id: 'j1' });
});
