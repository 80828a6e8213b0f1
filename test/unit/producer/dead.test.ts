import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { createProducer, type JobInput, type Producer } from '../../../producer/index.ts';
import { type DeadReason, keysOf, newUid, Protocol } from '../../../protocol/index.ts';
import type { Outcome } from '../../../schemas/types.ts';
import { EXITED, finish, resultFor, sha256 } from './answering-worker.ts';

const BULLPEN = fileURLToPath(new URL('../../../producer/cli/main.ts', import.meta.url));
const LOST: Outcome = { kind: 'worker-lost', reason: 'died' };

let server: PrivateRedis;
let redis: Redis;
let queue: string;
let protocol: Protocol;
let producer: Producer;
beforeAll(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  queue = `q${newUid()}`;
  protocol = new Protocol(redis, queue);
  producer = createProducer({ redis: server.url, queue });
});
afterEach(() => producer.close());

const python = (id: string, more: Partial<JobInput> = {}): JobInput =>
  ({ kind: 'job', version: 1, id, runtime: 'python', source: 'print(1)', ...more }) as JobInput;

/** Submits a job and ends it as a dead letter, as a worker would. Returns its uid. */
async function die(job: JobInput, dead: DeadReason = 'worker-died', by = producer): Promise<string> {
  await by.submit(job);
  const [tenant, id] = [job.tenant ?? 'default', job.id ?? ''];
  const uid = (await protocol.lookup(tenant, id)) ?? '';
  const begun = { uid, instance: 'w-test', token: newUid(), expectedEpoch: 1, records: [] };
  expect(await protocol.begin(begun)).toMatchObject({ answer: 'run' });
  const result = resultFor({ id, tenant, uid, epoch: 1 }, { outcome: LOST, attribution: 'system' });
  const times = { resultTtlMs: 60_000, tombstoneTtlMs: 600_000, records: [] };
  const committed = { uid, epoch: 1, result, resultSha256: sha256(result), outcome: LOST.kind, dead, ...times };
  expect(await protocol.commit(committed)).toMatchObject({ answer: 'ok' });
  return uid;
}

describe('producer.dead', () => {
  it('lists by reason, tenant and age, the latest first', async () => {
    await die(python('a'));
    await die(python('b', { tenant: 'acme' }), 'poison');
    const idsOf = async (filter?: Parameters<Producer['dead']['list']>[0]) =>
      (await producer.dead.list(filter)).letters.map(({ id }) => id);
    expect(await idsOf()).toEqual(['b', 'a']);
    expect(await idsOf({ reason: 'poison' })).toEqual(['b']);
    expect(await idsOf({ tenant: 'default' })).toEqual(['a']);
    expect(await idsOf({ endedBeforeMs: 1 })).toEqual([]);
  });

  it('retries as a new job with the same document, and the old result stays', async () => {
    await die(python('a', { attempts: 2, priority: 3 }));
    const handle = await producer.dead.retry('a');
    expect(handle).toMatchObject({ id: 'a.retry-1', tenant: 'default', status: 'created' });
    const state = await handle.state();
    expect(state).toMatchObject({ state: 'waiting', attempts: 2, priority: 3, retryOf: 'a' });
    await finish(protocol, state.uid, EXITED);
    expect(await handle.result()).toMatchObject({ id: 'a.retry-1', outcome: { kind: 'exited' } });
    expect(await producer.job('a').result()).toMatchObject({ id: 'a', outcome: LOST });
  });

  it('retries once: then the letter is gone, and says as which job', async () => {
    await die(python('a'));
    await producer.dead.retry('a');
    const gone = { code: 'dead-letter-gone', why: 'retried', retryId: 'a.retry-1' };
    await expect(producer.dead.retry('a')).rejects.toMatchObject(gone);
    expect((await producer.dead.list()).letters).toEqual([]);
  });

  it('a retry that was cut off after its acceptance is the same job when it is tried again', async () => {
    const uid = await die(python('a'));
    const letter = await protocol.findDead(uid);
    if (letter === null) throw new Error('no letter');
    const named = await protocol.nameRetry({ letter, newUid: newUid() });
    expect(named).toMatchObject({ answer: 'named', id: 'a.retry-1' });
    const handle = await producer.dead.retry('a');
    expect((await handle.state()).uid).toBe(named.answer === 'named' ? named.uid : '');
  });

  it('stores large content anew with the retry', async () => {
    await die(python('a', { stdin: { text: 'i'.repeat(100_000) } }));
    const { document } = await producer.dead.open('a');
    const [chunk = ''] = await redis.keys(`${keysOf(queue).prefix}blob:*`);
    await redis.pexpire(chunk, 60_000);
    await producer.dead.retry('a');
    expect(await redis.pttl(chunk)).toBeGreaterThan(60_000);
    expect(document.stdin?.blob).toMatch(/^sha256:/);
  });

  it('does not retry what has lost its content or whose document was changed, and names nothing', async () => {
    const uid = await die(python('a', { stdin: { text: 'i'.repeat(100_000) } }));
    await redis.del(await redis.keys(`${keysOf(queue).prefix}blob:*`));
    await expect(producer.dead.retry('a')).rejects.toMatchObject({ why: 'content-gone' });
    await redis.hset(keysOf(queue).job(uid), 'document', '{}');
    await expect(producer.dead.retry('a')).rejects.toMatchObject({ why: 'document-gone' });
    expect(await redis.hexists(keysOf(queue).job(uid), 'retryUid')).toBe(0);
  });

  it('with a key retries what such a key has signed, and nothing else', async () => {
    const signingKey = 'k'.repeat(32);
    const signing = createProducer({ redis: server.url, queue, signingKey });
    try {
      await die(python('a'));
      await expect(signing.dead.retry('a')).rejects.toMatchObject({ why: 'document-gone' });
      await die(python('b'), 'worker-died', signing);
      expect((await signing.dead.retry('b')).id).toBe('b.retry-1');
    } finally {
      await signing.close();
    }
  });

  it('purges: the document goes, the result stays', async () => {
    await die(python('a'));
    await producer.dead.purge('a');
    await expect(producer.dead.open('a')).rejects.toMatchObject({ code: 'dead-letter-gone', why: 'purged' });
    expect(await producer.job('a').result()).toMatchObject({ outcome: LOST });
  });

  it('tells an unknown job from one that is no dead letter', async () => {
    await expect(producer.dead.open('a')).rejects.toMatchObject({ code: 'job-not-found' });
    await producer.submit(python('a'));
    await expect(producer.dead.open('a')).rejects.toMatchObject({ code: 'dead-letter-gone', why: 'alive' });
  });

  it('of one tenant sees no other’s, whatever it asks for', async () => {
    await die(python('a'));
    await die(python('b', { tenant: 'acme' }));
    const acme = createProducer({ redis: server.url, queue, tenant: 'acme' });
    try {
      expect((await acme.dead.list()).letters.map(({ id }) => id)).toEqual(['b']);
      await expect(acme.dead.open('a')).rejects.toMatchObject({ code: 'job-not-found' });
      await expect(acme.dead.open('a', 'default')).rejects.toThrow('not this producer');
      await expect(acme.dead.list({ tenant: 'default' })).rejects.toThrow('not this producer');
    } finally {
      await acme.close();
    }
  });
});

async function bullpen(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, BULLPEN_REDIS: server.url, BULLPEN_QUEUE: queue };
  const child = spawn(process.execPath, [BULLPEN, 'dead', ...args], { env });
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await closed) as [number | null];
  return { code, stdout, stderr };
}

describe('bullpen dead', () => {
  it('list shows a line for each, and says how many there are and were dropped', async () => {
    await die(python('a'), 'poison');
    await redis.hset(keysOf(queue).deadTotals, 'dropped', 7, 'droppedAtMs', 1_750_000_000_000);
    const { code, stdout, stderr } = await bullpen('list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S+Z {2}poison +1\/1 {2}\d+ bytes {2}default {2}a\n$/);
    expect(stderr).toBe(
      '1 dead letters; 7 lost their documents for want of room, the latest at 2025-06-15T15:06:40.000Z\n',
    );
  });

  it('show gives the facts and the document', async () => {
    await die(python('a'));
    const shown = JSON.parse((await bullpen('show', 'a', '--json')).stdout);
    expect(shown).toMatchObject({ id: 'a', reason: 'worker-died', document: { source: 'print(1)' } });
    expect((await bullpen('show', 'a')).stdout).toContain('its worker went without a word');
  });

  it('retry prints the new id; --all takes those of the reason, and leaves the others', async () => {
    await die(python('a'));
    await die(python('b'), 'poison');
    expect(await bullpen('retry', '--all', '--reason', 'poison')).toMatchObject({ code: 0, stdout: 'b.retry-1\n' });
    expect(await bullpen('retry', 'a', '--json')).toMatchObject({
      code: 0,
      stdout: '{"id":"a.retry-1","tenant":"default","retryOf":"a"}\n',
    });
    expect(await bullpen('retry', 'a')).toMatchObject({ code: 3, stderr: expect.stringContaining('as a.retry-1') });
  });

  it('purge --older-than leaves what is younger', async () => {
    await die(python('a'));
    expect(await bullpen('purge', '--all', '--older-than', '1h')).toMatchObject({ code: 0, stdout: '' });
    expect(await bullpen('purge', '--all')).toMatchObject({ code: 0, stdout: 'a\n' });
    expect((await producer.dead.list()).letters).toEqual([]);
  });
});
