// A worker that is stopped (SIGSTOP) can neither renew its locks nor kill its guests: the forkserver does, by the tenure that each
// execution has there. Locks are short, so that a test need not wait long.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { newUid } from '../../protocol/index.ts';
import { auditRecords } from '../helpers/audit.ts';
import { Pen, until } from '../helpers/pen.ts';
import { isStopped, processesWith } from '../helpers/processes.ts';
import type { WorkerProcess } from '../helpers/worker-process.ts';

const LOCK_MS = 3_000;
/** What the product promises beyond the lock. */
const SLACK_MS = 2_000;

let pen: Pen;
let stopped: WorkerProcess | null;
beforeEach(async () => {
  pen = await Pen.open();
  stopped = null;
});
afterEach(async () => {
  stopped?.kill('SIGCONT');
  await pen.close();
});

/** A program that sleeps under a name which no other process has. */
const marked = (token: string, seconds: number, fields: Partial<JobInput> = {}) =>
  ({
    kind: 'job',
    version: 1,
    runtime: 'bash',
    command: ['/bin/bash', '-c', `sleep ${seconds}; : ${token}`],
    ...fields,
  }) as JobInput;

/** Stops it and waits until the kernel says so. */
async function stop(worker: WorkerProcess): Promise<void> {
  stopped = worker;
  worker.kill('SIGSTOP');
  await until('the worker is stopped', () => isStopped(worker.pid));
}

/** What a worker says it has committed, in its log: `ok`, `already`, `fenced`, … */
function committedBy(worker: WorkerProcess): string[] {
  const lines = worker.log().split('\n').filter(Boolean);
  const finished = lines.map((line) => JSON.parse(line) as { msg: string; committed?: string });
  return finished.filter(({ msg }) => msg === 'finished').map(({ committed }) => String(committed));
}

it('a worker stopped for longer than its lock loses its guests by then, and its job to another worker', async () => {
  const first = await pen.startWorker({ lockMs: LOCK_MS });
  const token = newUid();
  const handle = await pen.producer.submit(marked(token, 120));
  await until('the guest runs', () => processesWith(token).length > 0);
  const second = await pen.startWorker({ lockMs: LOCK_MS });
  await stop(first);
  await until('the guest is dead', () => processesWith(token).length === 0, LOCK_MS + SLACK_MS);
  const result = await handle.result({ timeoutMs: 30_000 });
  expect(isStopped(first.pid)).toBe(true);
  expect(result).toMatchObject({
    outcome: { kind: 'worker-lost' },
    epoch: 1,
    attribution: 'system',
    rewardSafe: false,
  });
  expect(committedBy(second)).toEqual([]); // it found the end, and ran nothing

  first.kill('SIGCONT');
  await until('the first worker noticed', () => committedBy(first).length > 0, 20_000);
  expect(committedBy(first)).toEqual(['already']);
  expect(await handle.result()).toEqual(result);
  const events = (await auditRecords(pen)).map(({ event }) => event);
  expect(events.filter((event) => event === 'started')).toHaveLength(1);
}, 90_000);

it('what a stopped worker finished under an epoch that is over is fenced', async () => {
  // Its program ends well within its tenure; nobody hears of it.
  const first = await pen.startWorker({ lockMs: 10_000 });
  const token = newUid();
  const handle = await pen.producer.submit(marked(token, 4, { attempts: 2 }));
  await until('the guest runs', () => processesWith(token).length > 0);
  await stop(first);
  await pen.startWorker({ lockMs: 10_000 });
  await until('the guest is dead', () => processesWith(token).length === 0);
  await until('it runs again elsewhere', () => processesWith(token).length > 0, 40_000);
  first.kill('SIGCONT');
  await until('the first worker noticed', () => committedBy(first).length > 0, 20_000);
  expect(committedBy(first)).toEqual(['fenced']);
  expect(await handle.result({ timeoutMs: 30_000 })).toMatchObject({ outcome: { kind: 'exited' }, epoch: 2 });
}, 90_000);

it('a worker stopped for less than that keeps its job', async () => {
  const worker = await pen.startWorker({ lockMs: 20_000 });
  const token = newUid();
  const handle = await pen.producer.submit(marked(token, 4));
  await until('the guest runs', () => processesWith(token).length > 0);
  await stop(worker);
  await sleep(1_000);
  expect(processesWith(token)).not.toEqual([]);
  worker.kill('SIGCONT');
  expect(await handle.result({ timeoutMs: 30_000 })).toMatchObject({
    outcome: { kind: 'exited', exitCode: 0 },
    epoch: 1,
  });
}, 60_000);
