import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { Pen, until } from '../helpers/pen.ts';
import { processesWith } from '../helpers/processes.ts';

let pen: Pen;
beforeEach(async () => {
  pen = await Pen.open();
});
afterEach(() => pen.close());

/** A program that sleeps under a name which no other process has. */
const marked = (token: string, seconds: number, fields: Partial<JobInput> = {}) =>
  ({
    kind: 'job',
    version: 1,
    runtime: 'bash',
    command: ['/bin/bash', '-c', `sleep ${seconds}; echo slept; : ${token}`],
    ...fields,
  }) as JobInput;

it('what kills its worker three times is parked as poison, although it has attempts left, and the queue goes on', async () => {
  const config = { lockMs: 1500, stalledMs: 500, ceilings: { attempts: 10 } };
  const token = newUid();
  const poison = await pen.producer.submit(marked(token, 60, { id: 'poison', attempts: 10 }));
  for (const epoch of [1, 2, 3]) {
    const worker = await pen.startWorker(config);
    await until(
      'the guest runs',
      async () => (await poison.state()).epoch === epoch && processesWith(token).length > 0,
    );
    worker.kill('SIGKILL');
    await worker.exited;
  }
  await pen.startWorker(config);
  const result = await poison.result({ timeoutMs: 20_000 });
  expect(result).toMatchObject({ outcome: { kind: 'worker-lost', reason: 'died' }, epoch: 3 });
  expect((await pen.producer.dead.list()).letters).toMatchObject([{ id: 'poison', reason: 'poison', attempts: 10 }]);
  expect(await pen.producer.run(marked(newUid(), 0))).toMatchObject({ stdout: { text: 'slept\n' } });
}, 90_000);

it('a dead letter that is retried runs as a new job, and the old result stays', async () => {
  const worker = await pen.startWorker({ lockMs: 1500, stalledMs: 500 });
  const token = newUid();
  const first = await pen.producer.submit(marked(token, 2, { id: 'j1' }));
  await until('the guest runs', () => processesWith(token).length > 0);
  worker.kill('SIGKILL');
  await pen.startWorker({ lockMs: 1500, stalledMs: 500 });
  expect(await first.result({ timeoutMs: 20_000 })).toMatchObject({ outcome: { kind: 'worker-lost' } });
  const second = await pen.producer.dead.retry('j1');
  expect(second.id).toBe('j1.retry-1');
  expect(await second.result({ timeoutMs: 20_000 })).toMatchObject({ id: 'j1.retry-1', stdout: { text: 'slept\n' } });
  expect(await first.result()).toMatchObject({ outcome: { kind: 'worker-lost' } });
}, 60_000);
