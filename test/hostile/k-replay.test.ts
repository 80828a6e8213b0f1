import { afterAll, beforeAll, expect, it } from 'vitest';
import { IdempotencyConflictError, type JobInput } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { auditRecords } from '../helpers/audit.ts';
import { Pen, until } from '../helpers/pen.ts';
import { processesWith } from '../helpers/processes.ts';

const ONCE = { kind: 'job', version: 1, runtime: 'python', id: 'once', source: 'import uuid; print(uuid.uuid4())' };

let pen: Pen;
beforeAll(async () => {
  pen = await Pen.open();
});
afterAll(() => pen.close());

const started = async (uid: string | null) =>
  (await auditRecords(pen)).filter((record) => record.event === 'started' && record.uid === uid).length;

it('K20 the same document again is the same job, executed once; another under its id is a conflict', async () => {
  const worker = await pen.startWorker();
  const first = await (await pen.producer.submit(ONCE as JobInput)).result();
  for (let replay = 0; replay < 3; replay += 1) {
    const again = await pen.newProducer().submit(ONCE as JobInput);
    expect([again.status, await again.result()]).toEqual(['exists', first]);
  }
  const other = { ...ONCE, source: 'print(1)' } as JobInput;
  await expect(pen.producer.submit(other)).rejects.toBeInstanceOf(IdempotencyConflictError);
  expect(await started(first.uid)).toBe(1);
  await worker.stop();
});

it('K21 a job beside which every worker dies is worker-lost once its attempts are used up, and the queue goes on', async () => {
  const token = newUid();
  const command = ['/bin/bash', '-c', `sleep 60; : ${token}`];
  const poison = { kind: 'job', version: 1, runtime: 'bash', command, attempts: 2 };
  const handle = await pen.producer.submit(poison as unknown as JobInput);
  for (let death = 0; death < 2; death += 1) {
    const worker = await pen.startWorker();
    await until('the guest runs', () => processesWith(token).length > 0, 30_000);
    worker.kill('SIGKILL');
    await until('the guest is dead', () => processesWith(token).length === 0);
    await until('the dead worker is forgotten', async () => (await pen.producer.stats()).liveWorkers === 0, 30_000);
  }
  await pen.startWorker();
  const result = await handle.result({ timeoutMs: 60_000 });
  expect(result).toMatchObject({ outcome: { kind: 'worker-lost', reason: 'died' }, epoch: 2, rewardSafe: false });
  expect(await started(result.uid)).toBe(2);
  const next = await pen.producer.run({ ...ONCE, id: 'next' } as JobInput, { timeoutMs: 30_000 });
  expect(next.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
}, 180_000);
