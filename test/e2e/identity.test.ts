import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IdempotencyConflictError, type JobInput, JobNotFoundError, ResultExpiredError } from '../../producer/index.ts';
import { Pen, until } from '../helpers/pen.ts';

let pen: Pen;
beforeAll(async () => {
  pen = await Pen.open();
  await pen.startWorker({ resultTtlMs: 4000 });
});
afterAll(() => pen.close());

const python = (source: string, fields: Partial<JobInput> = {}): JobInput =>
  ({ kind: 'job', version: 1, runtime: 'python', source, ...fields }) as JobInput;

it('the same id twice is one job with one result', async () => {
  const once = python('import uuid; print(uuid.uuid4())', { id: 'twice' });
  const first = await pen.producer.submit(once);
  const result = await first.result();
  const second = await pen.producer.submit(once);
  expect([first.status, second.status]).toEqual(['created', 'exists']);
  expect(JSON.stringify(await second.result())).toBe(JSON.stringify(result));
});

it('the same id with another document is a conflict', async () => {
  await pen.producer.run(python('print(1)', { id: 'other' }));
  await expect(pen.producer.submit(python('print(2)', { id: 'other' }))).rejects.toBeInstanceOf(
    IdempotencyConflictError,
  );
});

it('the same id of another tenant is a job of its own', async () => {
  const ours = await pen.producer.run(python('print("ours")', { id: 'shared' }));
  const theirs = await pen.newProducer({ tenant: 'them' }).run(python('print("theirs")', { id: 'shared' }));
  expect([ours.stdout, theirs.stdout]).toMatchObject([{ text: 'ours\n' }, { text: 'theirs\n' }]);
  expect([ours.tenant, theirs.tenant]).toEqual(['default', 'them']);
});

it("a tenant can see nothing of another tenant's job", async () => {
  await pen.producer.run(python('print(1)', { id: 'private' }));
  await expect(pen.newProducer({ tenant: 'spy' }).job('private').result({ timeoutMs: 1000 })).rejects.toBeInstanceOf(
    JobNotFoundError,
  );
});

it('any process can wait for any job, by its id alone', async () => {
  const handle = await pen.producer.submit(python('import time; time.sleep(0.5); print("seen")', { id: 'anyone' }));
  const other = pen.newProducer();
  expect(await other.job(handle.id).result()).toMatchObject({ stdout: { text: 'seen\n' } });
});

it('a result past its time says how the job ended', async () => {
  await pen.producer.run(python('raise SystemExit(3)', { id: 'brief' }));
  await sleep(4500);
  const late = pen.producer.job('brief').result({ timeoutMs: 2000 });
  await expect(late).rejects.toBeInstanceOf(ResultExpiredError);
  await expect(pen.producer.job('brief').result({ timeoutMs: 2000 })).rejects.toMatchObject({ outcome: 'exited' });
});

it('a waiter whose subscription is cut just before the commit gets the result within 1 s of it', async () => {
  const waiter = pen.newProducer();
  const handle = await waiter.submit(python('import time; time.sleep(1.5); print(1)'));
  const waiting = handle.result({ timeoutMs: 10_000 }).then(() => Date.now());
  const admin = new Redis(pen.redis.url);
  await until('it runs', async () => (await pen.producer.job(handle.id).state()).state === 'running');
  await sleep(1000);
  await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const state = async () => (await pen.producer.job(handle.id).state()).state === 'final';
  await until('it is final', state);
  const final = Date.now();
  expect((await waiting) - final).toBeLessThan(1000);
  admin.disconnect();
});
