import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import {
  createProducer,
  IdempotencyConflictError,
  InvalidJobError,
  type JobInput,
  JobNotFoundError,
  type Producer,
  ProducerClosedError,
  type ProducerOptions,
  QueueUnavailableError,
  QuotaExceededError,
  ResultCorruptError,
  ResultExpiredError,
  WaitTimeoutError,
} from '../../../producer/index.ts';
import { newUid, Protocol } from '../../../protocol/index.ts';
import { AnsweringWorker, commit, EXITED, finish, resultFor, sha256, stream } from './answering-worker.ts';
import { LossyProxy } from './proxy.ts';

const JOB: JobInput = { kind: 'job', version: 1, runtime: 'python', source: 'print(6*7)' };
const NOBODY = 'redis://127.0.0.1:1';

let server: PrivateRedis;
let redis: Redis;
let queue: string;
let protocol: Protocol;
let producer: Producer;
const closables: { close(): Promise<void> }[] = [];

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
  producer = newProducer();
});
afterEach(async () => {
  for (const closable of closables.splice(0)) await closable.close();
});

function newProducer(options: Partial<ProducerOptions> = {}): Producer {
  const made = createProducer({ redis: server.url, queue, ...options });
  closables.push(made);
  return made;
}

async function startWorker(answer?: Parameters<typeof AnsweringWorker.start>[2]): Promise<AnsweringWorker> {
  const worker = await AnsweringWorker.start(server.url, queue, answer);
  closables.push(worker);
  return worker;
}

async function uidOf(id: string, tenant = 'default'): Promise<string> {
  const uid = await protocol.lookup(tenant, id);
  if (uid === null) throw new Error(`no job ${id}`);
  return uid;
}

async function failure<E extends Error>(promise: Promise<unknown>, type: new (...args: never[]) => E): Promise<E> {
  const error = await promise.then(
    () => new Error('did not fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  return error as E;
}

describe('createProducer', () => {
  test('connects to nothing before the first call', async () => {
    const lazy = newProducer({ redis: NOBODY });
    expect(lazy.job('a')).toMatchObject({ id: 'a', tenant: 'default', status: 'attached' });
    await lazy.close();
  });

  test.each([
    [{ proxy: 'k' }, 'unknown option proxy'],
    [{ redis: 'http://x' }, 'option redis must be'],
    [{ queue: 'a b' }, 'option queue must be'],
    [{ tenant: '../x' }, 'option tenant must be'],
    [{ connectTimeoutMs: 0 }, 'option connectTimeoutMs must be'],
  ])('%j is refused by name', (options, message) => {
    expect(() => createProducer({ redis: NOBODY, ...options } as ProducerOptions)).toThrow(message);
  });

  test('needs redis', () => {
    expect(() => createProducer({} as ProducerOptions)).toThrow('option redis is missing');
  });
});

describe('submit', () => {
  test('refuses an invalid job before any I/O', async () => {
    const { issues } = await failure(
      newProducer({ redis: NOBODY }).submit({ ...JOB, runtime: 'Python!' }),
      InvalidJobError,
    );
    expect(issues).toMatchObject([{ path: 'runtime', rule: 'pattern' }]);
  });

  test('without Redis: not accepted, told within 2 s, with the id', async () => {
    const start = performance.now();
    const error = await failure(newProducer({ redis: NOBODY }).submit({ ...JOB, id: 'a' }), QueueUnavailableError);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(error).toMatchObject({ id: 'a', accepted: 'no', retryable: true });
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('a job without an id gets one before any I/O', async () => {
    const error = await failure(
      newProducer({ redis: NOBODY, connectTimeoutMs: 50 }).submit(JOB),
      QueueUnavailableError,
    );
    expect(error.id).toMatch(/^[a-z2-7]{26}$/);
  });

  test('stores the job and is found by id from anywhere', async () => {
    const handle = await producer.submit({ ...JOB, id: 'a', priority: 2, attempts: 3 });
    expect(handle).toMatchObject({ id: 'a', tenant: 'default', status: 'created' });
    expect(await newProducer().job('a').state()).toMatchObject({
      id: 'a',
      state: 'waiting',
      priority: 2,
      attempts: 3,
      epoch: 0,
    });
  });

  test("the same document is the first job again, another one a conflict, another tenant's its own job", async () => {
    await producer.submit({ ...JOB, id: 'a' });
    expect(
      await producer.submit({ source: 'print(6*7)', id: 'a', runtime: 'python', version: 1, kind: 'job' }),
    ).toMatchObject({
      status: 'exists',
    });
    const conflict = await failure(producer.submit({ ...JOB, id: 'a', args: ['1'] }), IdempotencyConflictError);
    expect(conflict).toMatchObject({ id: 'a', retryable: false });
    expect(await newProducer({ tenant: 'other' }).submit({ ...JOB, id: 'a' })).toMatchObject({
      status: 'created',
      tenant: 'other',
    });
    expect(await uidOf('a', 'other')).not.toBe(await uidOf('a'));
  });

  test('large content and large documents arrive whole', async () => {
    const text = 'é'.repeat(3_000_000);
    const source = `#${'x'.repeat(1_500_000)}`;
    await producer.submit({ ...JOB, id: 'a', source, files: [{ path: 'big', text }], stdin: { text: 'small' } });
    const begun = await protocol.begin({
      uid: await uidOf('a'),
      instance: 'w',
      token: 't',
      expectedEpoch: 1,
      records: [],
    });
    if (begun.answer !== 'run') throw new Error(begun.answer);
    const document = JSON.parse(Buffer.from(begun.document).toString());
    expect(document).toMatchObject({ source, stdin: { text: 'small' }, files: [{ path: 'big', bytes: 6_000_000 }] });
    expect(Buffer.from((await protocol.getBlob('default', document.files[0].blob)) ?? []).toString()).toBe(text);
  });

  test('a full Redis is a quota, told with its name and when to try again', async () => {
    await producer.stats();
    await redis.config('SET', 'maxmemory', '1mb');
    try {
      const error = await failure(producer.submit({ ...JOB, id: 'a' }), QuotaExceededError);
      expect(error).toMatchObject({ id: 'a', quota: 'redis-memory', limit: 1024 * 1024, retryable: true });
      expect(error.retryAfterMs).toBeGreaterThan(0);
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await producer.submit({ ...JOB, id: 'a' })).toMatchObject({ status: 'created' });
  });

  test('a tenant’s cap is a quota, told with its name, its value and when to try again', async () => {
    await protocol.limitTenant('default', { maxQueuedJobs: 1 });
    expect(await producer.submit({ ...JOB, id: 'a' })).toMatchObject({ status: 'created' });
    const error = await failure(producer.submit({ ...JOB, id: 'b' }), QuotaExceededError);
    expect(error).toMatchObject({
      id: 'b',
      quota: 'tenant-queued-jobs',
      limit: 1,
      retryAfterMs: 5000,
      retryable: true,
    });
    expect(error.message).toContain('tenant-queued-jobs of 1: try again in 5000 ms');
    await protocol.limitTenant('default', { maxQueuedJobs: null });
    expect(await producer.submit({ ...JOB, id: 'b' })).toMatchObject({ status: 'created' });
  });

  test('large content counts against a tenant’s queued bytes, though it lies beside the document', async () => {
    await protocol.limitTenant('default', { maxQueuedBytes: 300_000 });
    const heavy = { ...JOB, stdin: { text: 'x'.repeat(200_000) } };
    expect(await producer.submit({ ...heavy, id: 'a' })).toMatchObject({ status: 'created' });
    const error = await failure(producer.submit({ ...heavy, id: 'b' }), QuotaExceededError);
    expect(error).toMatchObject({ quota: 'tenant-queued-bytes', limit: 300_000 });
    expect(await producer.submit({ ...heavy, id: 'a' })).toMatchObject({ status: 'exists' });
    expect(await producer.submit({ ...JOB, id: 'b' })).toMatchObject({ status: 'created' });
  });

  test('content of a job that is refused is not written, and of one that is taken is', async () => {
    const heavy = (letter: string) => ({ ...JOB, id: letter, stdin: { text: letter.repeat(200_000) } });
    const blobs = async () => (await redis.keys(`*${queue}*:blob:*`)).length;
    await protocol.limitTenant('default', { maxQueuedJobs: 0 });
    await failure(producer.submit(heavy('a')), QuotaExceededError);
    await redis.config('SET', 'maxmemory', '1mb');
    try {
      const full = await failure(newProducer({ tenant: 'other' }).submit(heavy('a')), QuotaExceededError);
      expect(full).toMatchObject({ quota: 'redis-memory' });
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect(await blobs()).toBe(0);
    await protocol.limitTenant('default', { maxQueuedJobs: 1 });
    await producer.submit(heavy('a'));
    expect(await blobs()).toBe(1);
  });

  test('an abort before anything was sent accepts nothing', async () => {
    const waiting = newProducer({ redis: NOBODY }).submit({ ...JOB, id: 'a' }, { signal: AbortSignal.timeout(50) });
    expect((await failure(waiting, DOMException)).name).toBe('TimeoutError');
    const reason = new Error('changed my mind');
    await expect(producer.submit({ ...JOB, id: 'a' }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await protocol.lookup('default', 'a')).toBeNull();
  });
});

describe('submit over a bad network', () => {
  let proxy: LossyProxy;
  let far: Producer;
  beforeEach(async () => {
    proxy = await LossyProxy.before(server.port);
    far = newProducer({ redis: proxy.url });
    await far.stats();
    // Runs before the producers are closed, which must not mind.
    closables.push(proxy);
  });

  test('a lost answer is unknown, and a retry with the same id is the same job', async () => {
    proxy.loseAnswerTo('a-job-of-mine', { thenRefuse: true });
    const start = performance.now();
    const error = await failure(far.submit({ ...JOB, id: 'a-job-of-mine' }), QueueUnavailableError);
    expect(error).toMatchObject({ id: 'a-job-of-mine', accepted: 'unknown' });
    expect(performance.now() - start).toBeLessThan(2000);
    proxy.acceptAgain();
    expect(await far.submit({ ...JOB, id: 'a-job-of-mine' })).toMatchObject({ status: 'exists' });
  });

  test('a lost answer is asked for again while there is time', async () => {
    proxy.loseAnswerTo('a-job-of-mine', { thenRefuse: false });
    expect(await far.submit({ ...JOB, id: 'a-job-of-mine' })).toMatchObject({ status: 'created' });
  });

  test('a Redis that hangs is unknown within 2 s', async () => {
    await producer.stats();
    await server.kill('SIGSTOP');
    try {
      const start = performance.now();
      const error = await failure(producer.submit({ ...JOB, id: 'a' }), QueueUnavailableError);
      expect(error.accepted).toBe('unknown');
      expect(performance.now() - start).toBeLessThan(2100);
    } finally {
      await server.kill('SIGCONT');
    }
  });
});

describe('result', () => {
  test.each([-1, Number.NaN, 2 ** 31])('%d is no time to wait for: nothing is submitted', async (timeoutMs) => {
    await expect(producer.run({ ...JOB, id: 'untimely' }, { timeoutMs })).rejects.toThrow(RangeError);
    await expect(producer.job('untimely').state()).rejects.toThrow(JobNotFoundError);
  });

  test('is what the worker wrote, with all content inline', async () => {
    const handle = await producer.submit({ ...JOB, id: 'a' });
    const [large, binary] = ['x'.repeat(100_000), Buffer.alloc(70_000, 0xff)];
    const blob = await protocol.putBlob('default', Buffer.from(large));
    const artifact = {
      path: 'out/b',
      bytes: binary.length,
      sha256: sha256(binary),
      blob: await protocol.putBlob('default', binary),
    };
    const { text: _, ...rest } = stream(large);
    await finish(protocol, await uidOf('a'), {
      ...EXITED,
      stdout: { ...rest, blob },
      stderr: stream('warn\n'),
      artifacts: [artifact, { path: 'out/l', rejected: 'symlink' }],
    });
    const result = await handle.result();
    expect(result).toMatchObject({ id: 'a', tenant: 'default', epoch: 1, outcome: EXITED.outcome });
    expect(result.stdout).toEqual(stream(large));
    expect(result.stderr).toEqual(stream('warn\n'));
    expect(result.artifacts[0]).toMatchObject({ path: 'out/b', base64: binary.toString('base64') });
    expect(result.artifacts[0]).not.toHaveProperty('blob');
    expect(Buffer.from(await handle.content(result.stdout ?? {})).toString()).toBe(large);
    expect(Buffer.from(await handle.content({ blob: artifact.blob })).equals(binary)).toBe(true);
  });

  test('wakes whoever waits, in any process', async () => {
    await producer.submit({ ...JOB, id: 'a' });
    const waiting = [producer, newProducer()].map((each) => each.job('a').result({ timeoutMs: 5000 }));
    await sleep(200);
    const start = performance.now();
    await finish(protocol, await uidOf('a'));
    for (const result of await Promise.all(waiting)) expect(result.outcome).toEqual(EXITED.outcome);
    expect(performance.now() - start).toBeLessThan(500);
  });

  test('survives an outage of Redis while it waits', async () => {
    const handle = await producer.submit({ ...JOB, id: 'a' });
    const waiting = handle.result({ timeoutMs: 20_000 });
    await sleep(100);
    await server.restart();
    await finish(protocol, await uidOf('a'));
    expect((await waiting).outcome.kind).toBe('exited');
  });

  test('that comes too late is a timeout that tells the state and who serves', async () => {
    const handle = await producer.submit({ ...JOB, id: 'a' });
    const error = await failure(handle.result({ timeoutMs: 100 }), WaitTimeoutError);
    expect(error).toMatchObject({ id: 'a', state: 'waiting', liveWorkers: 0, retryable: true });
    expect(error.message).toContain(`no live worker on queue ${queue}`);
    await startWorker(() => sleep(60_000, EXITED, { ref: false }));
    expect(await failure(producer.job('a').result({ timeoutMs: 0 }), WaitTimeoutError)).toMatchObject({
      liveWorkers: 1,
    });
  });

  test('of an unknown job is JobNotFoundError', async () => {
    await failure(producer.job('nobody').result(), JobNotFoundError);
    await failure(producer.job('nobody').state(), JobNotFoundError);
    await failure(producer.job('nobody').cancel(), JobNotFoundError);
    await producer.submit({ ...JOB, id: 'a' });
    await failure(newProducer({ tenant: 'other' }).job('a').result(), JobNotFoundError);
  });

  async function endedAs(c: { result?: Uint8Array; resultTtlMs?: number; resultSha256?: string }): Promise<void> {
    await producer.submit({ ...JOB, id: 'a' });
    const uid = await uidOf('a');
    await protocol.begin({ uid, instance: 'w', token: 't', expectedEpoch: 1, records: [] });
    const result = resultFor({ id: 'a', tenant: 'default', uid, epoch: 1 }, EXITED);
    await commit(protocol, { uid, epoch: 1, result, outcome: EXITED.outcome, ...c });
  }

  test('whose time is over is ResultExpiredError with the outcome', async () => {
    await endedAs({ resultTtlMs: 1 });
    await sleep(20);
    expect(await failure(producer.job('a').result(), ResultExpiredError)).toMatchObject({ id: 'a', outcome: 'exited' });
  });

  test('that is not what was written is ResultCorruptError', async () => {
    await endedAs({ resultSha256: sha256('something else') });
    expect((await failure(producer.job('a').result(), ResultCorruptError)).message).toContain('sha256');
  });

  test('that is no result document is ResultCorruptError', async () => {
    await endedAs({ result: Buffer.from('{"kind":"result"}') });
    await failure(producer.job('a').result(), ResultCorruptError);
  });

  test('an abort ends the waiting and not the job', async () => {
    const handle = await producer.submit({ ...JOB, id: 'a' });
    expect((await failure(handle.result({ signal: AbortSignal.timeout(50) }), DOMException)).name).toBe('TimeoutError');
    expect(await handle.state()).toMatchObject({ state: 'waiting', cancelRequested: false });
  });
});

describe('cancel', () => {
  test('is requested while the job waits, and too late once it has ended', async () => {
    const handle = await producer.submit({ ...JOB, id: 'a' });
    const other = await producer.submit({ ...JOB, id: 'b' });
    await finish(protocol, await uidOf('b'));
    expect(await handle.cancel('wrong input')).toBe('requested');
    expect(await handle.state()).toMatchObject({ cancelRequested: true });
    expect(await other.cancel()).toBe('already-final');
  });

  test('comes with the abort of run', async () => {
    const controller = new AbortController();
    const running = producer.run({ ...JOB, id: 'a' }, { signal: controller.signal });
    await sleep(100);
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(await producer.job('a').state()).toMatchObject({ cancelRequested: true });
  });
});

describe('run and runAll', () => {
  const echo = async (job: { source?: string }) => ({ ...EXITED, stdout: stream(job.source ?? '') });

  test('run gives the result', async () => {
    await startWorker(echo);
    expect((await producer.run(JOB)).stdout?.text).toBe(JOB.source);
  });

  test('runAll has no more jobs under way than it may, and a bad one ends only itself', async () => {
    const worker = await startWorker(async (job) => sleep(5, await echo(job)));
    const jobs = Array.from(
      { length: 50 },
      (_, i): JobInput => ({ ...JOB, source: `${i}`, ...(i === 7 && { runtime: '?' }) }),
    );
    const settled = [];
    for await (const one of producer.runAll(jobs, { inFlight: 5 })) settled.push(one);
    expect(settled).toHaveLength(50);
    for (const one of settled) {
      if (one.status === 'fulfilled') expect(one.result.stdout?.text).toBe(`${one.index}`);
      else expect(one).toMatchObject({ index: 7, error: { code: 'invalid-job' } });
    }
    expect(worker.most).toBeGreaterThan(1);
    expect(worker.most).toBeLessThanOrEqual(5);
  });

  test('runAll keeps the order of the input when asked', async () => {
    await startWorker(async (job) => sleep(Number(job.source) % 2 ? 1 : 30, await echo(job)));
    async function* jobs(): AsyncGenerator<JobInput> {
      for (let i = 0; i < 10; i++) yield { ...JOB, source: `${i}` };
    }
    const order = [];
    for await (const { index } of producer.runAll(jobs(), { order: 'input', inFlight: 4 })) order.push(index);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('an abort of runAll cancels what is in flight', async () => {
    const jobs = ['a', 'b'].map((id): JobInput => ({ ...JOB, id }));
    const run = async (): Promise<void> => {
      for await (const _ of producer.runAll(jobs, { signal: AbortSignal.timeout(150) }));
    };
    expect((await failure(run(), DOMException)).name).toBe('TimeoutError');
    for (const id of ['a', 'b']) expect(await producer.job(id).state()).toMatchObject({ cancelRequested: true });
  });

  test('leaving the loop of runAll cancels what is in flight', async () => {
    await startWorker(async (job) => (job.id === 'quick' ? EXITED : sleep(60_000, EXITED, { ref: false })));
    const jobs = ['quick', 'slow'].map((id): JobInput => ({ ...JOB, id }));
    for await (const _ of producer.runAll(jobs)) break;
    expect(await producer.job('slow').state()).toMatchObject({ cancelRequested: true });
  });

  test('runAll takes a window of 1 to 10000', async () => {
    await expect(producer.runAll([], { inFlight: 0 })[Symbol.asyncIterator]().next()).rejects.toThrow(RangeError);
  });
});

describe('stats and close', () => {
  test('stats counts what waits and who serves', async () => {
    await producer.submit(JOB);
    expect(await producer.stats()).toMatchObject({ waiting: 1, running: 0, liveWorkers: 0 });
    await startWorker(() => sleep(60_000, EXITED, { ref: false }));
    expect(await producer.stats()).toMatchObject({ liveWorkers: 1, slots: 64 });
  });

  test('close ends what waits, and every later call', async () => {
    const handle = await producer.submit(JOB);
    const waiting = failure(handle.result(), ProducerClosedError);
    await sleep(50);
    await producer.close();
    await producer.close();
    await waiting;
    await failure(producer.submit(JOB), ProducerClosedError);
    await failure(handle.state(), ProducerClosedError);
    await failure(producer.stats(), ProducerClosedError);
  });

  test('a producer is disposed of like any resource', async () => {
    const disposed = newProducer();
    await disposed[Symbol.asyncDispose]();
    await failure(disposed.submit(JOB), ProducerClosedError);
  });
});
