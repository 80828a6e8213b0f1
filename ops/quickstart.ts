// The whole of Bullpen on one machine, in a minute: a private Redis, a worker, jobs good and hostile, and the proof of what came of them.

import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createProducer, type JobInput, type Producer } from '../producer/index.ts';
import type { Result } from '../schemas/types.ts';
import { archiveAudit } from './archive-audit.ts';
import { compareInventories, type Inventory, ofInstances, type Place, takeInventory } from './inventory.ts';
import { Bait } from './planted.ts';
import { startPrivateRedis } from './private-redis.ts';
import { PrivateWorker } from './private-worker.ts';
import { CEILINGS, type Sample, samples } from './samples.ts';
import { printFoot, printHead, printRow, type Row } from './table.ts';
import { describeOutcome, judge } from './verdict.ts';

const CLONE = fileURLToPath(new URL('..', import.meta.url));
const KEPT = join(CLONE, '.bullpen', 'quickstart');
const DRAIN_MS = 5_000;
// Nothing of a job outlives its worker by more than this.
const GONE_WITHIN_MS = 2_000;
// A block of its own: a worker that serves on this machine counts from 200000.
const UIDS = { first: 1_500_000, count: 64 };

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted.abort(new Error('interrupted'));
    process.once(signal, () => process.exit(130));
  });
}

process.exitCode = await quickstart();

async function quickstart(): Promise<number> {
  rmSync(KEPT, { recursive: true, force: true });
  mkdirSync(KEPT, { recursive: true });
  const own = mkdtempSync(join(tmpdir(), 'bullpen-quickstart-'));
  const place: Place = { uids: UIDS, directories: [join(own, 'run'), join(own, 'tmp')] };
  const before = takeInventory(place);
  const problems: string[] = [];
  try {
    const instances = await serve(own, problems);
    problems.push(...(await leftovers(before, place, instances)));
  } catch (error) {
    problems.push(interrupted.signal.aborted ? 'interrupted' : String(error));
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  printFoot(problems, relative(process.cwd(), KEPT) || '.');
  return interrupted.signal.aborted ? 130 : problems.length === 0 ? 0 : 1;
}

/** Brings up what a job needs, runs the samples, and takes it all down again, whatever happens. Returns the names of the workers. */
async function serve(own: string, problems: string[]): Promise<string[]> {
  await using cleanup = new AsyncDisposableStack();
  const redis = process.env.REDIS_URL ?? (await ownRedis(cleanup));
  const queue = `quickstart-${process.pid}`;
  const bait = cleanup.adopt(await Bait.plant(), (planted) => planted.remove());
  const config = { redis, queue, slots: 2, drainMs: DRAIN_MS, uids: UIDS, ceilings: CEILINGS };
  const worker = new PrivateWorker({ config, directory: own, log: join(KEPT, 'worker.log') });
  cleanup.defer(async () => {
    if (!(await worker.stop(DRAIN_MS + 2_000))) problems.push('the worker did not end in order; see worker.log');
  });
  const producer = cleanup.use(createProducer({ redis, queue, tenant: 'quickstart' }));
  await worker.live(producer);

  const results = await runAll(samples(bait), producer, problems);
  if (bait.accepted > 0) problems.push(`the listener on the host accepted ${bait.accepted} connections`);
  if (JSON.stringify(results).includes(bait.secret)) problems.push('a job has read the file planted on the host');
  problems.push(...(await archiveAudit(redis, queue, KEPT)));
  return [...new Set(results.map((result) => result.worker))];
}

async function ownRedis(cleanup: AsyncDisposableStack): Promise<string> {
  const server = await startPrivateRedis();
  cleanup.defer(() => server.stop());
  return server.url;
}

async function runAll(list: Sample[], producer: Producer, problems: string[]): Promise<Result[]> {
  const results: Result[] = [];
  printHead();
  for (const sample of list) {
    const submitted = performance.now();
    const result = await producer.run(sample.job as unknown as JobInput, { signal: interrupted.signal });
    const latencyMs = performance.now() - submitted;
    const wrong = judge(sample.expect, result);
    problems.push(...wrong.map((problem) => `${sample.name}: ${problem}`));
    appendFileSync(join(KEPT, 'results.ndjson'), `${JSON.stringify(result)}\n`);
    printRow(rowOf(sample, result, { latencyMs, asExpected: wrong.length === 0 }));
    results.push(result);
  }
  return results;
}

function rowOf(sample: Sample, result: Result, seen: { latencyMs: number; asExpected: boolean }): Row {
  const usage = result.usage;
  return {
    name: sample.name,
    outcome: describeOutcome(result),
    wallMs: usage ? usage.wallTimeUs / 1000 : null,
    cpuMs: usage ? usage.cpuTimeUs / 1000 : null,
    peakMib: usage?.memoryPeakBytes ? usage.memoryPeakBytes / 1024 / 1024 : null,
    ...seen,
  };
}

/** What the run left behind, given the time that is promised for it to vanish. */
async function leftovers(before: Inventory, place: Place, instances: string[]): Promise<string[]> {
  const deadline = Date.now() + GONE_WITHIN_MS;
  for (;;) {
    const left = compareInventories(ofInstances(before, instances), ofInstances(takeInventory(place), instances));
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(100);
  }
}
