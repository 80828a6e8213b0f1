// Health of a real worker: with a real Redis behind a proxy that becomes a black hole, and with an event loop that stands still.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ROUND_MS } from '../../worker/signals/progress.ts';
import { FaultProxy } from '../helpers/fault-proxy.ts';
import { ask, python, startListening, statusOf } from '../helpers/listening-worker.ts';
import { Pen, until } from '../helpers/pen.ts';
import { parseMetrics, valueIn } from '../helpers/prometheus.ts';

let pen: Pen;
let proxy: FaultProxy | null;
beforeEach(async () => {
  pen = await Pen.open();
  proxy = null;
});
afterEach(async () => {
  await pen.close();
  await proxy?.close();
});

const listening = (config: Record<string, unknown> = {}) => startListening(pen, config);

it('health and readiness turn bad when Redis becomes a black hole, and good again', async () => {
  proxy = await FaultProxy.before(pen.redis.port);
  const { http } = await listening({ redis: proxy.url, lockMs: 30_000 });
  await pen.producer.run(python('print(1)'));
  expect(await ask(`${http}/healthz`)).toMatchObject({ status: 200, body: expect.stringContaining('"healthy":true') });
  expect(await statusOf(`${http}/readyz`)).toBe(200);

  proxy.isDark = true;
  proxy.darkenAll();
  const ready = await ask(`${http}/readyz`);
  expect([ready.status, JSON.parse(ready.body).checks.redis.ok]).toEqual([503, false]);
  await until('health is bad', async () => (await statusOf(`${http}/healthz`)) === 503, 40_000);
  expect((await ask(`${http}/healthz`)).body).toContain('the fetch has not come round for');
  const scrape = parseMetrics((await ask(`${http}/metrics`)).body);
  expect(valueIn(scrape, 'bullpen_redis_up')).toBe(0);
  expect(scrape.filter(({ name }) => name.startsWith('bullpen_queue_'))).toEqual([]);

  proxy.isDark = false;
  await until('health is good', async () => (await statusOf(`${http}/healthz`)) === 200, 60_000);
  await until('ready', async () => (await statusOf(`${http}/readyz`)) === 200, 30_000);
  expect((await pen.producer.run(python('print(2)'), { timeoutMs: 30_000 })).outcome.kind).toBe('exited');
}, 180_000);

it('a worker with one slot of two taken and nothing to fetch stays healthy for longer than the limit', async () => {
  const { http } = await listening({ slots: 2 });
  const job = await pen.producer.submit(
    python('import time; time.sleep(60)', { policy: { version: 1, limits: { wallTimeMs: 60_000 } } }),
  );
  await until('it runs', async () => (await job.state()).state === 'running');
  await sleep(ROUND_MS + 2_000);
  expect(await ask(`${http}/healthz`)).toMatchObject({ status: 200 });
  await job.cancel();
}, 60_000);

it('a worker that stood still says so when it goes on, for a while', async () => {
  const { worker, http } = await listening({ lockMs: 30_000 });
  worker.kill('SIGSTOP');
  await sleep(6_500);
  worker.kill('SIGCONT');
  expect(await ask(`${http}/healthz`)).toMatchObject({
    status: 503,
    body: expect.stringMatching(/the event loop stood still for \d/),
  });
  await until('it is healthy', async () => (await statusOf(`${http}/healthz`)) === 200, 30_000);
  expect((await pen.producer.run(python('print(1)'), { timeoutMs: 20_000 })).outcome.kind).toBe('exited');
}, 60_000);
