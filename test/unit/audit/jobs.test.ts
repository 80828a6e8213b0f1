// What the records say of jobs: their order, one result that counts, and what was refused kept as refused.

import { afterEach, expect, it } from 'vitest';
import type { AuditReport } from '../../../schemas/types.ts';
import { finishOf } from '../../../worker/finish.ts';
import { resultWithoutRun } from '../../../worker/result-document.ts';
import { commitOf, TestQueue, useRedis } from '../protocol/bench-queue.ts';
import { Archive, recordsOf, Scribe } from './archive.ts';

const bench = useRedis();
let archive: Archive | null = null;

afterEach(() => archive?.remove());

/** What a verifier says of the logs that are written. */
async function verifying(write: (one: Scribe, two: Scribe) => Promise<void>): Promise<AuditReport> {
  const queue = bench.queue();
  archive = await Archive.of(queue, async (_, sign) => {
    await write(new Scribe(queue, 'w-1'), new Scribe(queue, 'w-2'));
    await sign();
  });
  return archive.verify(await archive.export(queue));
}

it('accepted, started, finished: in one log, or with the attempts in two', async () => {
  const report = await verifying(async (one, two) => {
    const { uid } = await one.queue.accept('a', { attempts: 2 });
    expect(await one.begin(uid, 1)).toBe('run');
    expect(await two.begin(uid, 2)).toBe('run');
    expect(await two.finish(uid, 2)).toBe('ok');
  });
  expect(report).toMatchObject({ ok: true, records: 4 });
});

it('finished before it was started is told of, though the chain and its signature hold', async () => {
  const report = await verifying(async (one) => {
    const { uid } = await one.queue.accept('a');
    const records = one.records;
    const state = await one.queue.protocol.peek(uid);
    if (state === null) throw new Error('no job');
    expect(await one.queue.begin(uid, { instance: 'w-1' })).toMatchObject({ answer: 'run' });
    await one.finish(uid, 1);
    await one.chain.append([records.accepted({ uid, tenant: 'acme' }, state)], (entries) =>
      one.queue.protocol.begin({ uid, instance: 'w-1', token: 't', expectedEpoch: 1, records: entries }),
    );
  });
  expect(report.faults).toMatchObject([{ rule: 'order', log: 'w-1', seq: 2 }]);
});

it('an attempt that no record starts, and a job that no record accepts', async () => {
  const unstarted = await verifying(async (one) => {
    const { uid } = await one.queue.accept('a');
    await one.queue.run(uid);
    await one.finish(uid, 1);
  });
  expect(unstarted.faults).toMatchObject([{ rule: 'order', log: 'w-1', seq: 1 }]);
  archive?.remove();
  const unaccepted = await verifying(async (one) => {
    const { uid } = await one.queue.accept('a', { attempts: 2 });
    await one.queue.run(uid);
    expect(await one.begin(uid, 2, { instance: 'w-2' })).toBe('run');
  });
  expect(unaccepted.faults).toMatchObject([{ rule: 'order', log: 'w-1', seq: 1 }]);
});

it('a job that never began: accepted before finished', async () => {
  const report = await verifying(async (one) => {
    const { uid } = await one.queue.accept('a');
    expect(await one.finish(uid, 0, { kind: 'expired' })).toBe('ok');
  });
  expect(report).toMatchObject({ ok: true, records: 2 });
});

it('a job that never began and that no record accepts', async () => {
  const report = await verifying(async (one) => {
    const { uid } = await one.queue.accept('a');
    const subject = { id: 'a', tenant: 'acme', uid, epoch: 0, worker: 'w-1', startedAt: null };
    const finish = finishOf(resultWithoutRun(subject, { kind: 'expired' }), { uid, epoch: 0, tenant: 'acme' });
    await one.chain.append([one.records.finished(finish)], (records) =>
      one.queue.protocol.commit({ ...commitOf(uid), epoch: 0, records }),
    );
  });
  expect(report.faults).toMatchObject([{ rule: 'order', log: 'w-1', seq: 1 }]);
});

it('a fenced finish is kept as such, and counts for nothing', async () => {
  const report = await verifying(async (one, two) => {
    const { uid } = await one.queue.accept('a', { attempts: 2 });
    await one.begin(uid, 1);
    await two.begin(uid, 2);
    expect(await one.finish(uid, 1)).toBe('fenced');
    expect(await two.finish(uid, 2)).toBe('ok');
    expect(await one.finish(uid, 1)).toBe('already');
  });
  expect(report.ok).toBe(true);
  const records = recordsOf(await (archive as Archive).export(new TestQueue(bench.redis, report.queue ?? '')));
  expect(records.map(({ log, verdict }) => `${log} ${verdict}`)).toEqual([
    'w-1 run',
    'w-1 run',
    'w-1 fenced',
    'w-1 already',
    'w-2 run',
    'w-2 ok',
  ]);
});

it('a second result that counts is told of', async () => {
  const report = await verifying(async (one) => {
    const { uid } = await one.queue.accept('a');
    await one.begin(uid, 1);
    await one.finish(uid, 1);
    // Whoever writes to Redis makes the job unfinished again.
    await one.queue.redis.hset(one.queue.keys.job(uid), 'state', 'running');
    expect(await one.finish(uid, 1)).toBe('ok');
  });
  expect(report.faults).toMatchObject([{ rule: 'twice', log: 'w-1', seq: 4 }]);
});

it('an attempt that began twice is told of', async () => {
  const report = await verifying(async (one, two) => {
    const { uid } = await one.queue.accept('a', { attempts: 2 });
    await one.begin(uid, 1);
    await one.queue.redis.hset(one.queue.keys.job(uid), 'epoch', 0);
    expect(await two.begin(uid, 1)).toBe('run');
  });
  expect(report.faults).toMatchObject([{ rule: 'twice', log: 'w-2', seq: 2 }]);
});
