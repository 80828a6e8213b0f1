import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProducer, type JobHandle, type JobInput, type Producer } from '../../producer/index.ts';
import type { Result } from '../../schemas/types.ts';
import { FaultProxy } from '../helpers/fault-proxy.ts';
import { Pen, until } from '../helpers/pen.ts';
import { isAlive, processesWith } from '../helpers/processes.ts';
import { Crew } from './crew.ts';
import { bringDisorder } from './disorder.ts';
import { faultsOf, History } from './history.ts';
import { seededRandom } from './random.ts';

const JOBS = 400;
const WORKERS = 3;
const DISORDER_MS = 60_000;
const CALM_MS = 40_000;
const seed = Number(process.env.BULLPEN_CHAOS_SEED ?? Date.now() % 1_000_000);
// A chance of its own for each, so that none depends on the pace of the others.
const [random, deeds, losses] = [seededRandom(seed), seededRandom(seed + 1), seededRandom(seed + 2)];

let pen: Pen;
let proxy: FaultProxy;
let crew: Crew;
let producer: Producer;
beforeAll(async () => {
  pen = await Pen.open();
  proxy = await FaultProxy.before(pen.redis.port);
  proxy.random = losses;
  crew = new Crew({ redis: proxy.url, queue: pen.queue });
  producer = createProducer({ redis: proxy.url, queue: pen.queue });
  for (let n = 0; n < WORKERS; n++) crew.hire();
});
afterAll(async () => {
  await producer.close();
  await crew.dismiss();
  await proxy.close();
  await pen.close();
  crew.clear();
});

interface Plan {
  job: JobInput & { id: string };
  attempts: number;
  isCancelled: boolean;
}

/** Short jobs, each with its own words; some may begin thrice, some expire soon, some are cancelled. */
function planOf(n: number): Plan {
  const attempts = random() < 0.3 ? 3 : 1;
  const id = `${pen.queue}-${n}`;
  const expiresInMs = random() < 0.05 ? 500 : 600_000;
  const command = ['/bin/bash', '-c', `sleep ${(random() * 0.8).toFixed(2)}; echo ${id}`];
  const job: Plan['job'] = { kind: 'job', version: 1, runtime: 'bash', id, command, attempts, expiresInMs };
  return { job, attempts, isCancelled: random() < 0.05 };
}

/** Whatever Redis does: the same id is the same job. */
async function insist<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'queue-unavailable')) throw error;
      await sleep(100);
    }
  }
}

async function live({ job, isCancelled }: Plan): Promise<Result> {
  const handle: JobHandle = await insist(() => producer.submit(job));
  if (isCancelled) await insist(() => handle.cancel());
  return insist(() => handle.result({ timeoutMs: DISORDER_MS + CALM_MS }));
}

it(`every promise holds while everything fails (BULLPEN_CHAOS_SEED=${seed})`, async () => {
  const lives: { plan: Plan; result: Promise<Result> }[] = [];
  const disorder = bringDisorder({ crew, redis: pen.redis, proxy, random: deeds }, DISORDER_MS);
  for (let n = 0; n < JOBS; n++) {
    const plan = planOf(n);
    const result = live(plan);
    result.catch(() => undefined);
    lives.push({ plan, result });
    await sleep((DISORDER_MS / JOBS) * 0.9);
  }
  const done = await disorder;
  const history = new History(pen.redis.url, pen.queue);
  const tally: Record<string, number> = {};
  const calmAt = performance.now();
  const results = await Promise.all(lives.map(({ result }) => result));
  for (const { outcome } of results) tally[outcome.kind] = (tally[outcome.kind] ?? 0) + 1;
  console.info(
    `seed ${seed}`,
    done,
    tally,
    `last result ${Math.round(performance.now() - calmAt)} ms after the last deed`,
  );

  await until('nothing is unfinished', async () => (await history.unfinished()) === 0, 15_000);
  await until('BullMQ has forgotten all of them', async () => (await history.leftovers()).length === 0, 15_000);
  expect((await crew.dismiss()).every((end) => end === 0)).toBe(true);
  expect(crew.outcries()).toEqual([]);
  expect(crew.orphans.filter(isAlive)).toEqual([]);
  expect(processesWith(pen.queue)).toEqual([]);

  const records = await history.records();
  for (const [n, { plan }] of lives.entries()) {
    const result = results[n] as Result;
    expect(await pen.producer.job(plan.job.id).result(), 'a result never changes').toEqual(result);
    if (result.outcome.kind === 'exited') expect(result.stdout).toMatchObject({ text: `${plan.job.id}\n` });
    const uid = result.uid ?? '';
    const job = { attempts: plan.attempts, epoch: result.epoch, resultSha256: await history.resultSha256(uid) };
    const told = records.filter(({ record }) => record.uid === uid);
    expect(faultsOf(told, job), `${plan.job.id} ${JSON.stringify(result.outcome)}`).toEqual([]);
  }
  history.close();
}, 300_000);
