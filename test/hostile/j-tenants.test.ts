import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type JobInput, JobNotFoundError, type Producer } from '../../producer/index.ts';
import { Protocol } from '../../protocol/index.ts';
import type { Result } from '../../schemas/types.ts';
import { Pen } from '../helpers/pen.ts';

/** Above 64 KiB: a blob of its own in Redis. */
const LARGE = 100_000;
const JOB = {
  kind: 'job',
  version: 1,
  runtime: 'python',
  id: 'private',
  source: `print("x" * ${LARGE}); open("out", "w").write("y" * ${LARGE})`,
  artifacts: ['out'],
} as unknown as JobInput;

let pen: Pen;
let spy: Producer;
let result: Result;
beforeAll(async () => {
  pen = await Pen.open();
  await pen.startWorker();
  spy = pen.newProducer({ tenant: 'spy' });
  result = await pen.producer.run(JOB);
});
afterAll(() => pen.close());

it('J10 K22 a job, its state and its end are unknown to another tenant, by any name, and cannot be cancelled by it', async () => {
  expect((await pen.producer.job('private').state()).state).toBe('final');
  for (const name of ['private', result.uid ?? '', `default/private`, 'default:private']) {
    for (const ask of [
      () => spy.job(name).state(),
      () => spy.job(name).result({ timeoutMs: 1_000 }),
      () => spy.job(name).cancel(),
    ]) {
      await expect(ask(), name).rejects.toBeInstanceOf(JobNotFoundError);
    }
  }
});

it('J10 content beside a result is unknown to another tenant, by its very hash', async () => {
  const redis = new Redis(pen.redis.url);
  const protocol = new Protocol(redis, pen.queue);
  try {
    const contents = [result.stdout, ...result.artifacts] as { sha256: string }[];
    expect(contents).toHaveLength(2);
    for (const { sha256 } of contents) {
      expect((await protocol.getBlob('default', `sha256:${sha256}`))?.length).toBeGreaterThanOrEqual(LARGE);
      expect(await protocol.getBlob('spy', `sha256:${sha256}`)).toBeNull();
    }
  } finally {
    redis.disconnect();
  }
});

it('J20 the same id of another tenant is another job, with a conflict neither here nor there', async () => {
  const theirs = await spy.run({ ...JOB, source: 'print("other")', artifacts: [] } as JobInput);
  expect(theirs).toMatchObject({ id: 'private', tenant: 'spy', stdout: { text: 'other\n' } });
  expect(theirs.uid).not.toBe(result.uid);
  const again = await pen.producer.submit(JOB);
  expect([again.status, (await again.result()).uid]).toEqual(['exists', result.uid]);
});
