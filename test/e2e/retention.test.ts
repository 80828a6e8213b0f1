import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { keysOf } from '../../protocol/index.ts';
import { keysWithoutEnd } from '../helpers/keys-without-end.ts';
import { Pen, until } from '../helpers/pen.ts';

let pen: Pen;
let redis: Redis;
beforeEach(async () => {
  pen = await Pen.open();
  redis = new Redis(pen.redis.url);
  redis.on('error', () => undefined);
});
afterEach(async () => {
  redis.disconnect();
  await pen.close();
});

const SHORT_LOCKS = { slots: 2, lockMs: 1500, stalledMs: 500 };
const bash = (source: string, more: Partial<JobInput> = {}): JobInput =>
  ({ kind: 'job', version: 1, runtime: 'bash', source, ...more }) as JobInput;

it('after every way a job can end, nothing without an end is left in Redis but what is bounded', async () => {
  const { producer } = pen;
  const expired = await producer.submit(bash('true', { expiresInMs: 1 }));
  const cancelled = await producer.submit(bash('true'));
  await cancelled.cancel();
  const first = await pen.startWorker(SHORT_LOCKS);
  const large = bash('head -c 300000 /dev/zero; cat > out', {
    stdin: { text: 'i'.repeat(200_000) },
    artifacts: ['out'],
  });
  const ends = [expired, cancelled, await producer.submit(large), await producer.submit(bash('exit 3'))];
  ends.push(await producer.submit(bash('true', { runtime: 'nothing-like-that' })));
  await Promise.all(ends.map((job) => job.result({ timeoutMs: 20_000 })));
  const running = [await producer.submit(bash('sleep 60', { id: 'killed' })), await producer.submit(bash('sleep 60'))];
  await until('they run', async () =>
    (await Promise.all(running.map((job) => job.state()))).every(({ state }) => state === 'running'),
  );
  await running[1]?.cancel();
  await running[1]?.result({ timeoutMs: 20_000 });
  first.kill('SIGKILL');
  const second = await pen.startWorker(SHORT_LOCKS);
  expect(await running[0]?.result({ timeoutMs: 20_000 })).toMatchObject({ outcome: { kind: 'worker-lost' } });
  const retried = await producer.dead.retry('killed');
  await retried.cancel();
  expect(await retried.result({ timeoutMs: 20_000 })).toMatchObject({ outcome: { kind: 'cancelled' } });
  await second.stop();
  await until(
    'the locks and lists of BullMQ are gone',
    async () => (await keysWithoutEnd(redis, pen.queue)).length === 0,
  );
  expect(await keysWithoutEnd(redis, pen.queue)).toEqual([]);
}, 120_000);

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
}

it('results that nobody reads do not grow a worker', async () => {
  const worker = await pen.startWorker({ slots: 4, lockMs: 30_000 });
  const megabyte = bash("head -c 1000000 /dev/zero | tr '\\0' x");
  const runUnread = async (jobs: number) => {
    for (let n = 0; n < jobs; n++) await pen.producer.submit(megabyte);
    const idle = async () => {
      const { waiting, running } = await pen.producer.stats();
      return waiting + running === 0;
    };
    await until('all have ended', idle, 90_000);
  };
  await runUnread(40);
  const before = residentBytes(worker.pid);
  await runUnread(120);
  expect(residentBytes(worker.pid) - before).toBeLessThan(60_000_000);
  expect(await redis.keys(`${keysOf(pen.queue).prefix}result:*`)).toHaveLength(160);
}, 240_000);
