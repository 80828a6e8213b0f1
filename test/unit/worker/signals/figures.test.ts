import { beforeEach, expect, it } from 'vitest';
import type { Result } from '../../../../schemas/types.ts';
import type { Begun } from '../../../../worker/begin-job.ts';
import { Figures, STAGES } from '../../../../worker/signals/figures.ts';
import { Gauges, type Standing } from '../../../../worker/signals/gauges.ts';
import { parseMetrics, type Sample, valueIn } from '../../../helpers/prometheus.ts';

let figures: Figures;
beforeEach(() => {
  figures = new Figures();
});

const read = async (): Promise<Sample[]> => parseMetrics(await figures.registry.metrics());

/** What of an attempt counts. */
const BEGUN = { queuedUs: 2_000_000 } as Begun;
const RAN = {
  timing: { queuedUs: 2_000_000, acquireUs: 100, setupUs: 900, runUs: 50_000, collectUs: 300 },
  sandbox: {},
} as Result;

it('shows every series from the start, at zero', async () => {
  const samples = await read();
  for (const stage of STAGES) expect(valueIn(samples, 'bullpen_job_stage_seconds_count', { stage })).toBe(0);
  expect(valueIn(samples, 'bullpen_jobs_total', { outcome: 'worker-lost' })).toBe(0);
  expect(valueIn(samples, 'bullpen_commits_total', { answer: 'fenced' })).toBe(0);
});

it('counts each stage of an attempt in seconds', async () => {
  const attempt = figures.begun(BEGUN);
  attempt.ran(RAN);
  attempt.committed('ok');
  const samples = await read();
  const sum = (stage: string) => valueIn(samples, 'bullpen_job_stage_seconds_sum', { stage });
  expect(['queue', 'acquire', 'setup', 'run', 'collect'].map(sum)).toEqual([2, 0.0001, 0.0009, 0.05, 0.0003]);
  expect(valueIn(samples, 'bullpen_job_stage_seconds_count', { stage: 'commit' })).toBe(1);
  expect(valueIn(samples, 'bullpen_job_stage_seconds_count', { stage: 'build' })).toBe(0);
});

it('counts no stage of an attempt whose program never began', async () => {
  const { sandbox: _sandbox, ...refused } = RAN;
  figures.begun(BEGUN).ran(refused as Result);
  const samples = await read();
  expect(valueIn(samples, 'bullpen_job_stage_seconds_count', { stage: 'run' })).toBe(0);
  expect(valueIn(samples, 'bullpen_job_stage_seconds_count', { stage: 'queue' })).toBe(1);
});

it('tells tries to commit from the jobs whose result is ours', async () => {
  for (const answer of ['unanswered', 'unanswered', 'already', 'fenced'] as const) figures.tried(answer);
  figures.final('exited');
  const samples = await read();
  const tries = ['ok', 'already', 'fenced', 'unanswered'];
  expect(tries.map((answer) => valueIn(samples, 'bullpen_commits_total', { answer }))).toEqual([0, 1, 1, 2]);
  expect(valueIn(samples, 'bullpen_jobs_total', { outcome: 'exited' })).toBe(1);
});

it('counts attempts that went back to the queue', async () => {
  figures.begun(BEGUN).handedBack();
  expect(valueIn(await read(), 'bullpen_attempts_handed_back_total')).toBe(1);
});

const POOL = { backend: 'process', root: 'host', loopback: 'deny', ready: 2, wanted: 3, hits: 5, misses: 1, made: 7 };
const STANDING: Standing = {
  engine: {
    slots: { free: 3, inUse: 1, quarantined: 0 },
    busy: 0,
    pools: [{ ...POOL, failures: 2, stopped: true, lastFailure: 'mount: EPERM' }],
    running: 1,
    started: 9,
  },
  spool: { files: 2, bytes: 4_096 },
  isServing: true,
  silentMs: 1_500,
  depth: { waiting: 5, released: 2, running: 1, dead: 4, deadDropped: 3, oldestWaitingMs: 2_500 },
};

it('shows how things stand, each time anew', async () => {
  const gauges = new Gauges(figures.registry, { version: '1.2.3', node: '24.0.0' });
  gauges.set(STANDING);
  gauges.set(STANDING);
  const samples = await read();
  const pool = (name: string) => valueIn(samples, `bullpen_pool_${name}`, { root: 'host', loopback: 'deny' });
  const names = ['ready', 'wanted', 'hits_total', 'misses_total', 'made_total', 'failures', 'stopped'];
  expect(names.map(pool)).toEqual([2, 3, 5, 1, 7, 2, 1]);
  const jobs = (state: string) => valueIn(samples, 'bullpen_queue_jobs', { state });
  expect(['pending', 'released', 'running', 'dead'].map(jobs)).toEqual([3, 2, 1, 4]);
  expect(valueIn(samples, 'bullpen_queue_dead_dropped_total')).toBe(3);
  expect(valueIn(samples, 'bullpen_queue_oldest_waiting_seconds')).toBe(2.5);
  expect(valueIn(samples, 'bullpen_spool_bytes')).toBe(4_096);
  expect(valueIn(samples, 'bullpen_worker_silence_seconds')).toBe(1.5);
  expect(valueIn(samples, 'bullpen_build_info', { version: '1.2.3' })).toBe(1);
});

it('leaves out what Redis did not tell, instead of what it told before', async () => {
  const gauges = new Gauges(figures.registry, { version: '1.2.3', node: '24.0.0' });
  gauges.set(STANDING);
  gauges.set({ ...STANDING, depth: null });
  const samples = await read();
  expect(valueIn(samples, 'bullpen_redis_up')).toBe(0);
  expect(samples.filter(({ name }) => name.startsWith('bullpen_queue_'))).toEqual([]);
});
