import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobHandle, JobInput } from '../../producer/index.ts';
import { Pen, until } from '../helpers/pen.ts';
import type { WorkerProcess } from '../helpers/worker-process.ts';

let pen: Pen;
let runDir: string;
beforeEach(async () => {
  pen = await Pen.open();
  runDir = mkdtempSync(join(tmpdir(), 'bullpen-spooled-'));
});
afterEach(async () => {
  await pen.close();
  rmSync(runDir, { recursive: true, force: true });
});

const bash = (source: string): JobInput => ({ kind: 'job', version: 1, runtime: 'bash', source });

/** Results that wait on disk. */
function spooled(): string[] {
  const paths = readdirSync(join(runDir, 'spool'), { recursive: true, encoding: 'utf8' });
  return paths.filter((path) => path.endsWith('.result')).map((path) => join(runDir, 'spool', path));
}

/** Jobs that end while Redis is away, on a worker that is killed then. Redis is back when this returns. */
async function loseRedisThenWorker(
  jobs: number,
  lockMs: number,
): Promise<{ handles: JobHandle[]; worker: WorkerProcess }> {
  const worker = await pen.startWorker({ runDir, lockMs, stalledMs: 500, slots: 4 });
  const handles: JobHandle[] = [];
  for (let n = 0; n < jobs; n++) handles.push(await pen.producer.submit(bash(`sleep 3; echo slept ${n}`)));
  const first = handles.slice(0, 4);
  await until('they run', async () =>
    (await Promise.all(first.map((job) => job.state()))).every(({ state }) => state === 'running'),
  );
  await sleep(1200); // by then Redis has synced what it answered
  await pen.redis.kill('SIGKILL');
  await until('their results wait on disk', () => spooled().length === first.length, 20_000);
  worker.kill('SIGKILL');
  await worker.exited;
  await pen.redis.restart();
  return { handles, worker };
}

it('results that a killed worker could not commit are committed by the next start, with no execution more', async () => {
  const { handles } = await loseRedisThenWorker(4, 60_000);
  const next = await pen.startWorker({ runDir, lockMs: 60_000, stalledMs: 500 });
  const results = await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 20_000 })));
  expect(results.map(({ stdout, epoch }) => [stdout?.text, epoch])).toEqual(
    [0, 1, 2, 3].map((n) => [`slept ${n}\n`, 1]),
  );
  await until('nothing waits', () => spooled().length === 0);
  expect(next.log()).toContain('a result that waited on disk');
}, 90_000);

it('while Redis is away a worker begins nothing more than it has slots, and keeps no more results than that', async () => {
  const { handles } = await loseRedisThenWorker(8, 60_000);
  expect(spooled()).toHaveLength(4);
  await pen.startWorker({ runDir, lockMs: 60_000, stalledMs: 500 });
  const results = await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 60_000 })));
  expect(results.map(({ epoch }) => epoch)).toEqual(handles.map(() => 1));
}, 120_000);

it('a result that was changed on disk is refused and told, and its job ends worker-lost', async () => {
  const { handles } = await loseRedisThenWorker(1, 12_000);
  const [path = ''] = spooled();
  writeFileSync(path, readFileSync(path, 'latin1').replace('slept 0', 'slept 9'), 'latin1');
  const next = await pen.startWorker({ runDir, lockMs: 12_000, stalledMs: 500 });
  expect(next.log()).toContain('is refused: it is not what a worker wrote');
  expect(spooled()).toEqual([]);
  const result = await handles[0]?.result({ timeoutMs: 40_000 });
  expect(result).toMatchObject({ outcome: { kind: 'worker-lost' }, epoch: 1 });
}, 90_000);
