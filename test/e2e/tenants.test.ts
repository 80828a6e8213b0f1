import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { Protocol } from '../../protocol/index.ts';
import { Pen, until } from '../helpers/pen.ts';

const run = promisify(execFile);
const WORKER_CLI = fileURLToPath(new URL('../../worker/cli/main.ts', import.meta.url));

let pen: Pen;
let redis: Redis;
let protocol: Protocol;
beforeEach(async () => {
  pen = await Pen.open();
  redis = new Redis(pen.redis.url);
  protocol = new Protocol(redis, pen.queue);
});
afterEach(async () => {
  redis.disconnect();
  await pen.close();
});

const bash = (source: string): JobInput => ({ kind: 'job', version: 1, runtime: 'bash', source });

it('a job is done while most of another tenant’s backlog waits, though a worker was killed and Redis restarted in between', async () => {
  const [big, small] = [pen.newProducer({ tenant: 'big' }), pen.newProducer({ tenant: 'small' })];
  await Promise.all(Array.from({ length: 60 }, () => big.submit(bash('sleep 0.3'))));
  const worker = await pen.startWorker({ slots: 2, lockMs: 2000, stalledMs: 500 });
  await until('two have ended', async () => (await protocol.readTenant('big')).queuedJobs < 56);
  worker.kill('SIGKILL');
  await pen.redis.restart();
  await pen.startWorker({ slots: 2, lockMs: 2000, stalledMs: 500 });
  const result = await small.run(bash('echo small'), { timeoutMs: 30_000 });
  expect(result).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, stdout: { text: 'small\n' } });
  expect((await protocol.readTenant('big')).queuedJobs).toBeGreaterThan(30);
});

it('a cap of the configuration holds, others run meanwhile, and an operator lifts it without a restart', async () => {
  const tenants = { named: { big: { maxRunningJobs: 1 } } };
  const worker = await pen.startWorker({ slots: 3, tenants });
  const [big, other] = [pen.newProducer({ tenant: 'big' }), pen.newProducer({ tenant: 'other' })];
  const jobs = await Promise.all([big.submit(bash('sleep 60')), big.submit(bash('sleep 60'))]);
  const states = async () => (await Promise.all(jobs.map((job) => job.state()))).map(({ state }) => state).sort();
  await until('one runs', async () => (await states()).join() === 'running,waiting');
  expect((await other.run(bash('echo on'), { timeoutMs: 20_000 })).outcome).toMatchObject({ exitCode: 0 });
  expect(await states()).toEqual(['running', 'waiting']);
  const env = { ...process.env, BULLPEN_REDIS: pen.redis.url, BULLPEN_QUEUE: pen.queue };
  await run(process.execPath, [WORKER_CLI, 'tenant', 'set', 'big', '--max-running-jobs', 'none'], { env });
  await until('both run', async () => (await states()).join() === 'running,running');
  expect(worker.child.exitCode).toBeNull();
  for (const job of jobs) await job.cancel();
});
