import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { newUid, Protocol } from '../../protocol/index.ts';
import { auditRecords, connect } from '../helpers/audit.ts';
import { Pen, until } from '../helpers/pen.ts';
import { forkserversOf, processesWith } from '../helpers/processes.ts';

let pen: Pen;
beforeEach(async () => {
  pen = await Pen.open();
});
afterEach(() => pen.close());

const python = (source: string, fields: Partial<JobInput> = {}): JobInput =>
  ({ kind: 'job', version: 1, runtime: 'python', source, ...fields }) as JobInput;
const sleeper = (seconds: number, fields: Partial<JobInput> = {}) =>
  python(`import time; time.sleep(${seconds}); print('slept')`, fields);

/** A program that sleeps under a name which no other process has. */
const marked = (token: string, seconds: number, fields: Partial<JobInput> = {}) =>
  ({
    kind: 'job',
    version: 1,
    runtime: 'bash',
    command: ['/bin/bash', '-c', `sleep ${seconds}; : ${token}`],
    ...fields,
  }) as JobInput;

it('a worker killed by SIGKILL takes the sandbox with it, and attempts: 1 ends worker-lost', async () => {
  const worker = await pen.startWorker();
  const token = newUid();
  const handle = await pen.producer.submit(marked(token, 60));
  await until('the guest runs', () => processesWith(token).length > 0);
  worker.kill('SIGKILL');
  expect(await until('the guest is dead', () => processesWith(token).length === 0)).toBeLessThan(2000);
  await pen.startWorker();
  expect(await handle.result({ timeoutMs: 20_000 })).toMatchObject({
    outcome: { kind: 'worker-lost', reason: 'died' },
    epoch: 1,
    attribution: 'system',
    rewardSafe: false,
  });
  const begun = (await auditRecords(pen)).filter((record) => record.event === 'started');
  expect(begun.length).toBe(1);
}, 60_000);

it('a forkserver killed by SIGKILL takes its sandboxes with it: the job failed, naming the step, and the worker goes on', async () => {
  const worker = await pen.startWorker();
  const token = newUid();
  const handle = await pen.producer.submit(marked(token, 60));
  await until('the guest runs', () => processesWith(token).length > 0);
  for (const pid of forkserversOf(worker.pid)) process.kill(pid, 'SIGKILL');
  expect(await handle.result({ timeoutMs: 10_000 })).toMatchObject({
    outcome: { kind: 'failed', step: 'forkserver' },
    attribution: 'system',
    rewardSafe: false,
  });
  expect(processesWith(token)).toEqual([]);
  expect(await pen.producer.run(python('print("on")'), { timeoutMs: 20_000 })).toMatchObject({
    stdout: { text: 'on\n' },
  });
}, 60_000);

it('with attempts: 2 the job begins again elsewhere and its second execution is the result', async () => {
  const first = await pen.startWorker();
  const token = newUid();
  const handle = await pen.producer.submit(marked(token, 3, { attempts: 2 }));
  await until('the guest runs', () => processesWith(token).length > 0);
  first.kill('SIGKILL');
  await pen.startWorker();
  expect(await handle.result({ timeoutMs: 30_000 })).toMatchObject({
    outcome: { kind: 'exited', exitCode: 0 },
    epoch: 2,
  });
}, 60_000);

it('a Redis restart in the middle of a job leaves its execution alone, and the same one commits', async () => {
  await pen.startWorker({ lockMs: 30_000, stalledMs: 5000 });
  const handle = await pen.producer.submit(sleeper(3));
  await until('it runs', async () => (await handle.state()).state === 'running');
  await pen.redis.restart();
  expect(await handle.result({ timeoutMs: 30_000 })).toMatchObject({
    outcome: { kind: 'exited', exitCode: 0 },
    epoch: 1,
    stdout: { text: 'slept\n' },
  });
}, 60_000);

it('SIGTERM: what has not begun begins elsewhere, what has begun finishes, and the worker ends in time', async () => {
  const leaving = await pen.startWorker({ slots: 1, drainMs: 5000 });
  const begun = await pen.producer.submit(sleeper(2));
  await until('the first runs', async () => (await begun.state()).state === 'running');
  const waiting = await Promise.all([1, 2, 3, 4, 5].map((n) => pen.producer.submit(python(`print(${n})`))));
  await pen.startWorker({ slots: 1 });
  const asked = Date.now();
  leaving.kill('SIGTERM');
  const results = await Promise.all(waiting.map((h) => h.result({ timeoutMs: 20_000 })));
  expect(results.map((r) => (r.stdout as { text: string }).text)).toEqual(['1\n', '2\n', '3\n', '4\n', '5\n']);
  expect(await leaving.exited).toBe(0);
  expect(Date.now() - asked).toBeLessThan(7000);
  expect(await begun.result()).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, epoch: 1 });
}, 60_000);

it('SIGTERM: what does not finish within drainMs ends worker-lost, reason drain', async () => {
  const leaving = await pen.startWorker({ slots: 1, drainMs: 500 });
  const handle = await pen.producer.submit(sleeper(30));
  await until('it runs', async () => (await handle.state()).state === 'running');
  const asked = Date.now();
  leaving.kill('SIGTERM');
  expect(await handle.result({ timeoutMs: 10_000 })).toMatchObject({
    outcome: { kind: 'worker-lost', reason: 'drain' },
  });
  await leaving.exited;
  expect(Date.now() - asked).toBeLessThan(2500);
}, 60_000);

it('cancels a waiting job and a running one', async () => {
  await pen.startWorker({ slots: 1 });
  const token = newUid();
  const running = await pen.producer.submit(marked(token, 60));
  await until('the guest runs', () => processesWith(token).length > 0);
  const waiting = await pen.producer.submit(python('print(1)'));
  expect(await waiting.cancel('not needed')).toBe('requested');
  expect(await waiting.result({ timeoutMs: 10_000 })).toMatchObject({
    outcome: { kind: 'cancelled', by: 'caller' },
    epoch: 0,
  });
  expect(await running.cancel()).toBe('requested');
  expect(await running.result({ timeoutMs: 10_000 })).toMatchObject({
    outcome: { kind: 'cancelled', by: 'caller' },
    epoch: 1,
  });
  expect(processesWith(token)).toEqual([]);
  expect(await running.cancel()).toBe('already-final');
}, 60_000);

it('a job accepted by a producer that died before the BullMQ add still runs', async () => {
  const redis = connect(pen.redis.url);
  const protocol = new Protocol(redis, pen.queue);
  await pen.startWorker();
  const document = Buffer.from(JSON.stringify(python('print("alive")', { id: 'orphan' })));
  const { createHash } = await import('node:crypto');
  const sha256 = createHash('sha256').update(document).digest('hex');
  const answer = await protocol.accept({
    uid: newUid(),
    tenant: 'default',
    id: 'orphan',
    document,
    sha256,
    attempts: 1,
    priority: 5,
    expiresInMs: 60_000,
  });
  expect(answer.answer).toBe('created');
  await redis.quit();
  expect(await pen.producer.job('orphan').result({ timeoutMs: 15_000 })).toMatchObject({ stdout: { text: 'alive\n' } });
}, 60_000);
