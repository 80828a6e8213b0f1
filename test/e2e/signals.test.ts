// What a real worker tells of itself. Outages, which take longer: `test/outage/health.test.ts`.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ask, python, startListening, statusOf } from '../helpers/listening-worker.ts';
import { Pen, until } from '../helpers/pen.ts';
import { parseMetrics, valueIn } from '../helpers/prometheus.ts';

let pen: Pen;
beforeEach(async () => {
  pen = await Pen.open();
});
afterEach(async () => {
  await pen.close();
});

const listening = (config: Record<string, unknown> = {}) => startListening(pen, config);

it('metrics are well formed, and their counts are those of the jobs that ran', async () => {
  const { http } = await listening();
  const sources = ['print(1)', 'print(2)', 'raise SystemExit(3)', 'import os; os.abort()'];
  await Promise.all(sources.map((source) => pen.producer.run(python(source))));
  const refused = python('print(1)', { policy: { version: 1, limits: { memoryBytes: 1_099_511_627_776 } } });
  expect((await pen.producer.run(refused)).outcome.kind).toBe('rejected');
  await until('all counted', async () => (await ask(`${http}/metrics`)).body.includes('{outcome="rejected"} 1'));

  const samples = parseMetrics((await ask(`${http}/metrics`)).body);
  const counted = (stage: string) => valueIn(samples, 'bullpen_job_stage_seconds_count', { stage });
  expect(['queue', 'commit'].map(counted)).toEqual([5, 5]);
  expect(['acquire', 'setup', 'run', 'collect'].map(counted)).toEqual([4, 4, 4, 4]);
  const outcomes = ['exited', 'signaled', 'rejected', 'failed', 'worker-lost'];
  expect(outcomes.map((outcome) => valueIn(samples, 'bullpen_jobs_total', { outcome }))).toEqual([3, 1, 1, 0, 0]);
  expect(valueIn(samples, 'bullpen_commits_total', { answer: 'ok' })).toBe(5);
  expect(valueIn(samples, 'bullpen_commits_total', { answer: 'fenced' })).toBe(0);
  expect(valueIn(samples, 'process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  expect(valueIn(samples, 'bullpen_eventloop_delay_seconds_count')).toBeGreaterThan(0);
  expect(valueIn(samples, 'bullpen_build_info')).toBe(1);
  expect(valueIn(samples, 'bullpen_worker_serving')).toBe(1);
  expect(valueIn(samples, 'bullpen_redis_up')).toBe(1);
  expect(valueIn(samples, 'bullpen_spool_results')).toBe(0);
}, 60_000);

it('metrics tell what waits, how old it is, and what runs', async () => {
  const { http } = await listening({ slots: 1 });
  const running = await pen.producer.submit(python('import time; time.sleep(60)'));
  await until('it runs', async () => (await running.state()).state === 'running');
  const waiting = await Promise.all([1, 2, 3, 4].map((n) => pen.producer.submit(python(`print(${n})`))));
  await sleep(1_100);
  const samples = parseMetrics((await ask(`${http}/metrics`)).body);
  const jobs = (state: string) => valueIn(samples, 'bullpen_queue_jobs', { state });
  expect(jobs('running')).toBe(1);
  // Slots * 1.5 are in flight at most: one of the four is handed out ahead.
  expect([jobs('pending'), jobs('released')]).toEqual([3, 1]);
  expect(valueIn(samples, 'bullpen_queue_oldest_waiting_seconds')).toBeGreaterThan(1);
  expect(valueIn(samples, 'bullpen_jobs_running')).toBe(1);
  await running.cancel();
  await Promise.all(waiting.map((handle) => handle.result({ timeoutMs: 20_000 })));
  const after = parseMetrics((await ask(`${http}/metrics`)).body);
  expect(valueIn(after, 'bullpen_queue_oldest_waiting_seconds')).toBe(0);
}, 60_000);

it('no series tells a tenant or a job, however many there are', async () => {
  const { http } = await listening();
  const seriesNow = async () => {
    const samples = parseMetrics((await ask(`${http}/metrics`)).body).filter(({ name }) => name.startsWith('bullpen_'));
    return samples.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`);
  };
  await pen.producer.run(python('print(0)'));
  const before = await seriesNow();
  const tenants = Array.from({ length: 20 }, (_, n) => `tenant-${n}`);
  await Promise.all(
    tenants.map((tenant) => pen.producer.run(python('print(1)', { tenant, labels: { course: tenant } }))),
  );
  const after = await seriesNow();
  expect(after).toEqual(before);
  expect(after.join()).not.toContain('tenant');
}, 60_000);

it('a Unix socket is opened by the user that the worker has become, and named when that user may not', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-signals-'));
  const socket = join(directory, 'w.sock');
  const refused = await pen.startWorker({ http: { socket } }).catch((error: Error) => error);
  expect(String(refused)).toContain(`http.socket: ${socket} can't be listened at: EACCES`);
  chmodSync(directory, 0o777);
  const worker = await pen.startWorker({ http: { socket } });
  const status = await new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, path: '/readyz' }, (answer) => resolve(answer.resume().statusCode));
    asked.on('error', reject).end();
  });
  expect(status).toBe(200);
  expect(statSync(socket).uid).not.toBe(0);
  expect(await worker.stop()).toBe(0);
  expect(existsSync(socket)).toBe(false);
  rmSync(directory, { recursive: true });
}, 60_000);

it('while it drains it is healthy, not ready, and says so in its metrics; then nobody listens any more', async () => {
  const { worker, http } = await listening({ drainMs: 10_000 });
  const job = await pen.producer.submit(python('import time; time.sleep(3)'));
  await until('it runs', async () => (await job.state()).state === 'running');
  expect(await statusOf(`${http}/readyz`)).toBe(200);
  worker.kill('SIGTERM');
  await until('it drains', async () => (await statusOf(`${http}/readyz`)) === 503);
  const { body } = await ask(`${http}/readyz`);
  expect(JSON.parse(body).checks.serving).toEqual({ ok: false, reason: 'this worker drains' });
  expect(await statusOf(`${http}/healthz`)).toBe(200);
  expect(valueIn(parseMetrics((await ask(`${http}/metrics`)).body), 'bullpen_worker_serving')).toBe(0);
  expect(await worker.exited).toBe(0);
  await expect(fetch(`${http}/healthz`)).rejects.toThrow();
}, 60_000);

it('a worker without a listener in its configuration opens no port; one with it opens that alone', async () => {
  const without = await pen.startWorker();
  expect(listenersOf(without.pid)).toEqual([]);
  const { worker, http } = await listening();
  expect(listenersOf(worker.pid)).toEqual([http.replace('http://', '')]);
}, 60_000);

/** Addresses at which a process listens for TCP. */
function listenersOf(pid: number): string[] {
  const lines = execFileSync('ss', ['-Hltnp'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(`pid=${pid},`)).map((line) => line.trim().split(/\s+/)[3] ?? '');
}

it('a worker does not start on a port that is taken: it names the field and takes nothing with it', async () => {
  const { http } = await listening();
  const port = Number(new URL(http).port);
  const second = await pen.startWorker({ http: { port } }).catch((error: Error) => error);
  expect(String(second)).toContain(`http.port: 127.0.0.1:${port} can't be listened at: EADDRINUSE`);
  expect(await statusOf(`${http}/readyz`)).toBe(200);
}, 60_000);
