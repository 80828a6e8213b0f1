import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { addReleased, BULL_QUEUE_NAME, bullPrefix, newUid, openBullQueue } from '../../../protocol/index.ts';
import { KEY_KINDS } from '../../../protocol/retention.ts';
import { keysWithoutEnd } from '../../helpers/keys-without-end.ts';
import { record, TestQueue } from './bench-queue.ts';

const DESIGN = readFileSync(new URL('../../../DESIGN.md', import.meta.url), 'utf8');
const BOUNDED = ['V', 'dead', 'dead-bytes', 'dead-totals', 'expiring', 'finish', 'sequence'];
const DIED = { outcome: 'worker-lost', dead: 'worker-died' } as const;
const NEVER_BEGAN = { epoch: 0, dead: null } as const;

let server: PrivateRedis;
let redis: Redis;
let queue: TestQueue;
let bull: Queue;
beforeEach(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url, { maxRetriesPerRequest: null });
  queue = new TestQueue(redis);
  bull = openBullQueue(redis, queue.name);
});
afterEach(async () => {
  await bull.close();
  redis.disconnect();
  await server.stop();
});

/** One job after the other through every life that the protocol knows. */
const LIVES: Record<string, () => Promise<unknown>> = {
  'it ends': () => queue.finish('exited'),
  'its document and its output are large': async () => {
    const { uid } = await queue.accept('large', { document: Buffer.alloc(1_500_000) });
    await queue.run(uid);
    await queue.protocol.putBlob('acme', Buffer.alloc(700_000));
    await queue.protocol.putResultBlob('acme', Buffer.alloc(600_000, 1), 60_000);
    await queue.commit(uid, { records: [record(1)] });
  },
  'it is cancelled while it waits': async () => {
    const { uid } = await queue.accept('cancelled');
    await queue.protocol.cancel({ tenant: 'acme', id: 'cancelled' });
    await queue.commit(uid, { ...NEVER_BEGAN, outcome: 'cancelled' });
  },
  'it is cancelled while it runs': async () => {
    const { uid } = await queue.accept('killed');
    await queue.run(uid);
    await queue.protocol.cancel({ tenant: 'acme', id: 'killed' });
    await queue.commit(uid, { outcome: 'cancelled' });
  },
  'it expires': async () => {
    const { uid } = await queue.accept('expired', { expiresInMs: 1 });
    await queue.commit(uid, { ...NEVER_BEGAN, outcome: 'expired' });
  },
  'another document has its id': async () => {
    await queue.finish('twice');
    await queue.protocol.putBlob('acme', Buffer.alloc(10, 2));
    const document = Buffer.alloc(1_000_000, 3);
    const again = { uid: newUid(), tenant: 'acme', id: 'twice', document, sha256: '0'.repeat(64), attempts: 1 };
    await queue.protocol.accept({ ...again, priority: 5, expiresInMs: 1000 });
  },
  'a full Redis refuses it': async () => {
    await redis.config('SET', 'maxmemory', 1);
    await queue.protocol.accept({
      ...{ uid: newUid(), tenant: 'acme', id: 'refused', document: Buffer.alloc(9), sha256: '0'.repeat(64) },
      ...{ attempts: 1, priority: 5, expiresInMs: 1000 },
    });
    await queue.protocol.sweep();
    await redis.config('SET', 'maxmemory', 0);
    await queue.protocol.sweep();
  },
  'it begins twice': async () => {
    const { uid } = await queue.accept('again', { attempts: 2 });
    await queue.run(uid);
    await queue.protocol.yield({ uid, epoch: 1 });
    await queue.run(uid, { token: 't-2', expectedEpoch: 2 });
    await queue.commit(uid, { epoch: 1 });
    await queue.commit(uid, { epoch: 2 });
  },
  'it is a dead letter': () => queue.finish('dead', DIED),
  'it is a large dead letter': async () => {
    const { uid } = await queue.accept('large-letter', { document: Buffer.alloc(600_000, 4) });
    await queue.run(uid);
    await queue.commit(uid, DIED);
  },
  'it is retried': async () => {
    const uid = await queue.finish('retried', DIED);
    const letter = { uid, id: 'retried', retryOf: null };
    const named = await queue.protocol.nameRetry({ letter, newUid: newUid() });
    if (named.answer !== 'named') throw new Error(named.answer);
    await queue.accept(named.id, { uid: named.uid });
    await queue.protocol.bury(uid, 'retried');
    await queue.run(named.uid);
    await queue.commit(named.uid);
  },
  'it is purged': async () => queue.protocol.bury(await queue.finish('purged', DIED), 'purged'),
  'BullMQ delivers it': async () => {
    const { uid, releases } = await queue.accept('delivered');
    const connection = redis.duplicate();
    const worker = new Worker(BULL_QUEUE_NAME, (job) => queue.run(job.id ?? ''), {
      connection,
      prefix: bullPrefix(queue.name),
    });
    const done = new Promise((resolve) => worker.once('completed', resolve));
    await addReleased(bull, [uid, ...releases]);
    await done;
    await worker.close();
    connection.disconnect();
    await queue.commit(uid);
  },
};

it('after every life of a job, nothing without an end is left but what is bounded', async () => {
  await queue.register();
  for (const live of Object.values(LIVES)) await live();
  await queue.protocol.deregister({ instance: 'w-1', bootId: 'boot-1' });
  expect(await keysWithoutEnd(redis, queue.name)).toEqual([]);
  expect((await queue.protocol.stats()).waiting).toBe(0);
});

it.each(Object.keys(LIVES))('after this life too: %s', async (life) => {
  await queue.register();
  await LIVES[life]?.();
  expect(await keysWithoutEnd(redis, queue.name)).toEqual([]);
});

it('a key that nobody listed is found, and one whose job has not ended', async () => {
  const { uid } = await queue.accept('waits');
  await redis.set(`${queue.keys.prefix}forgotten`, 1);
  await redis.set('elsewhere', 1);
  expect(await keysWithoutEnd(redis, queue.name)).toEqual(
    expect.arrayContaining([
      `${queue.keys.prefix}forgotten: of no kind that is listed`,
      'elsewhere: of no kind that is listed',
      `${queue.keys.job(uid)}: no time to live`,
    ]),
  );
});

it('when all times to live are over, only what is bounded is left', async () => {
  const times = { resultTtlMs: 50, tombstoneTtlMs: 100 };
  await queue.register();
  await queue.finish('j1', times);
  await queue.finish('j2', { ...DIED, ...times });
  await sleep(120);
  await queue.finish('j3', { ...DIED, ...times }); // what is beside a tombstone is put in order by the next of its kind
  await queue.protocol.deregister({ instance: 'w-1', bootId: 'boot-1' });
  await sleep(120);
  const names = (await redis.keys('*')).map((key) => key.slice(queue.keys.prefix.length)).sort();
  expect(names.filter((name) => !name.startsWith('bull:'))).toEqual(BOUNDED);
  expect(await redis.zcard(queue.keys.dead)).toBe(1);
});

it('every kind of key stands in DESIGN.md as it is listed', () => {
  const rows = KEY_KINDS.map(({ name, end, until }) => `| \`${name}\` | ${end} | ${until} |`);
  expect(rows.filter((row) => !DESIGN.includes(`${row}\n`))).toEqual([]);
});
