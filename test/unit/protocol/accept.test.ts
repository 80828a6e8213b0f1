import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { sha256Of } from '../../../protocol/blobs.ts';
import { newUid } from '../../../protocol/index.ts';
import { SCRIPTS } from '../../../protocol/scripts.ts';
import { acceptance, useRedis } from './bench-queue.ts';

const bench = useRedis();

it('creates a job: it is waiting, with everything it was accepted with', async () => {
  const queue = bench.queue();
  const job = acceptance('j1', { attempts: 2, priority: 3 });
  expect(await queue.protocol.accept(job)).toEqual({ answer: 'created', uid: job.uid, releases: [] });
  expect(await queue.protocol.readState('acme', 'j1')).toMatchObject({
    uid: job.uid,
    tenant: 'acme',
    id: 'j1',
    state: 'waiting',
    epoch: 0,
    attempts: 2,
    priority: 3,
    startedAtMs: null,
    outcome: null,
    cancelRequested: false,
    documentSha256: job.sha256,
  });
});

it('answers exists with the first uid and the state for the same document', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  expect(await queue.protocol.accept(acceptance('j1'))).toEqual({ answer: 'exists', uid, state: 'waiting' });
  await queue.run(uid);
  expect(await queue.protocol.accept(acceptance('j1'))).toEqual({ answer: 'exists', uid, state: 'running' });
  await queue.commit(uid);
  expect(await queue.protocol.accept(acceptance('j1'))).toEqual({ answer: 'exists', uid, state: 'final' });
});

it('answers conflict for another document under the same id', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  const other = acceptance('j1', { document: Buffer.from('other') });
  expect(await queue.protocol.accept(other)).toEqual({ answer: 'conflict', uid });
});

it('keeps the same id of two tenants apart', async () => {
  const queue = bench.queue();
  const a = await queue.accept('j1', { tenant: 'a' });
  const b = await queue.accept('j1', { tenant: 'b' });
  expect(a.uid).not.toBe(b.uid);
});

it('answers created again to the same uid, with the releases whose reply was lost', async () => {
  const queue = bench.queue();
  await queue.register();
  const job = acceptance('j1');
  const first = await queue.protocol.accept(job);
  expect(first).toEqual({ answer: 'created', uid: job.uid, releases: [job.uid] });
  expect(await queue.protocol.accept(job)).toEqual(first);
  await queue.run(job.uid);
  expect(await queue.protocol.accept(job)).toEqual({ answer: 'created', uid: job.uid, releases: [] });
});

it('keeps a document above 64 KiB in chunks, whole until the job ends', async () => {
  const queue = bench.queue();
  const document = randomBytes(1_400_000);
  const { uid } = await queue.accept('big', { document, sha256: sha256Of(document) });
  const chunks = [0, 1, 2].map((n) => queue.keys.document(uid, n));
  expect(await Promise.all(chunks.map((key) => bench.redis.ttl(key)))).toEqual([-1, -1, -1]);
  const begun = await queue.run(uid);
  expect(Buffer.compare(begun.document, document)).toBe(0);
  await queue.commit(uid);
  expect(await bench.redis.exists(...chunks)).toBe(0);
});

it('keeps the chunks when the same producer asks again, and throws what Redis says when it can’t write them', async () => {
  const queue = bench.queue();
  const document = randomBytes(600_000);
  const job = acceptance('big', { document, sha256: sha256Of(document) });
  await queue.protocol.accept(job);
  expect(await queue.protocol.accept(job)).toMatchObject({ answer: 'created' });
  expect(await bench.redis.ttl(queue.keys.document(job.uid, 1))).toBe(-1);
  await bench.redis.config('SET', 'min-replicas-to-write', 1);
  try {
    await expect(queue.protocol.accept(job)).rejects.toThrow(/^NOREPLICAS/);
  } finally {
    await bench.redis.config('SET', 'min-replicas-to-write', 0);
  }
});

it('throws when a chunk of the document is not there', async () => {
  const queue = bench.queue();
  const { uid, sha256 } = acceptance('big');
  const args = [1, queue.keys.prefix, uid, 'acme', 'big', sha256, '', 1, 1, 5, 1000];
  await expect(bench.redis.eval(SCRIPTS.accept.source, ...(args as [number]))).rejects.toThrow(/chunk .* is missing/);
  expect(await queue.protocol.lookup('acme', 'big')).toBeNull();
});

it('drops the chunks of a document that was not accepted', async () => {
  const queue = bench.queue();
  const document = randomBytes(100_000);
  const job = { document, sha256: sha256Of(document) };
  await queue.accept('big', job);
  const uid = newUid();
  expect(await queue.protocol.accept(acceptance('big', { ...job, uid }))).toMatchObject({ answer: 'exists' });
  expect(await bench.redis.exists(queue.keys.document(uid, 0))).toBe(0);
});

it('answers quota redis-memory above 85 % of maxmemory, yet knows what it accepted before', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('before');
  const used = Number(/used_memory:(\d+)/.exec(await bench.redis.info('memory'))?.[1]);
  const limit = Math.floor(used / 0.98);
  await bench.redis.config('SET', 'maxmemory', limit);
  try {
    const answer = await queue.protocol.accept(acceptance('j1'));
    expect(answer).toEqual({ answer: 'quota', quota: 'redis-memory', limit, retryAfterMs: 5000 });
    expect(await queue.protocol.lookup('acme', 'j1')).toBeNull();
    expect(await queue.protocol.accept(acceptance('before'))).toMatchObject({ answer: 'exists', uid });
  } finally {
    await bench.redis.config('SET', 'maxmemory', 0);
  }
});

it('answers quota redis-memory when Redis itself refuses, and a running job still ends', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('runs');
  await queue.run(uid);
  await bench.redis.config('SET', 'maxmemory', 1_000_000);
  try {
    const quota = { answer: 'quota', quota: 'redis-memory', limit: 1_000_000 };
    expect(await queue.protocol.accept(acceptance('small'))).toMatchObject(quota);
    const document = randomBytes(100_000);
    const big = acceptance('big', { document, sha256: sha256Of(document) });
    expect(await queue.protocol.accept(big)).toMatchObject(quota);
    expect(await queue.commit(uid)).toMatchObject({ answer: 'ok' });
    expect(await queue.protocol.readResult(uid)).toMatchObject({ answer: 'result' });
  } finally {
    await bench.redis.config('SET', 'maxmemory', 0);
  }
});
