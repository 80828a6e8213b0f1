import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { Pen, until } from '../helpers/pen.ts';

let pen: Pen;
let redis: Redis;
beforeEach(async () => {
  pen = await Pen.open();
  redis = new Redis(pen.redis.url);
});
afterEach(async () => {
  redis.disconnect();
  await pen.close();
});

const bash = (source: string): JobInput => ({ kind: 'job', version: 1, runtime: 'bash', source });

async function fillRedis(): Promise<void> {
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(used - 100_000));
}

it('a full Redis refuses new jobs; what runs keeps its lock, ends and commits, with large output too', async () => {
  await pen.startWorker({ lockMs: 2000, stalledMs: 500 });
  await pen.producer.run(bash('true'));
  const long = await pen.producer.submit(bash('sleep 5; echo long'));
  const large = await pen.producer.submit(bash("sleep 1; head -c 300000 /dev/zero | tr '\\0' x"));
  for (const job of [long, large]) await until('it runs', async () => (await job.state()).state === 'running');
  await fillRedis();
  await expect(pen.producer.submit(bash('true'))).rejects.toMatchObject({ code: 'quota-exceeded' });
  expect(await large.result({ timeoutMs: 10_000 })).toMatchObject({ stdout: { totalBytes: 300_000 }, epoch: 1 });
  expect(await long.result({ timeoutMs: 10_000 })).toMatchObject({ stdout: { text: 'long\n' }, epoch: 1 });
  await redis.config('SET', 'maxmemory', '0');
  expect(await pen.producer.run(bash('echo on'), { timeoutMs: 20_000 })).toMatchObject({ stdout: { text: 'on\n' } });
}, 60_000);
