// The checks over a real Redis connection. Only the native layer is a stand-in: what it says is what these facts turn on.

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../../ops/private-redis.ts';
import type { EngineStats, Probe, SandboxEngine } from '../../../../worker/engine.ts';
import { createLog } from '../../../../worker/log.ts';
import { Readiness } from '../../../../worker/signals/readiness.ts';

const log = createLog({ level: 'silent', descriptor: 2 });
const POOL = {
  ...{ backend: 'process', root: 'host', loopback: 'deny', ready: 2, wanted: 2, hits: 0, misses: 0, made: 2 },
  ...{ failures: 0, stopped: false, lastFailure: null },
};

let server: PrivateRedis;
let redis: Redis;
let stats: EngineStats;
let layers: Probe['layers'];
let lose: () => void;
let state: { registered: boolean; serving: boolean };
let readiness: Readiness;
beforeEach(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url, { enableOfflineQueue: false, lazyConnect: true });
  redis.on('error', () => undefined);
  await redis.connect();
  stats = { slots: { free: 3, inUse: 1, quarantined: 0 }, busy: 0, pools: [POOL], running: 1, started: 1 };
  layers = [];
  state = { registered: true, serving: true };
  const lost = new Promise<void>((resolve) => {
    lose = resolve;
  });
  const engine: SandboxEngine = {
    now: () => performance.now(),
    probe: async () => ({ layers, runtimes: [] }),
    terms: () => {
      throw new Error('not asked here');
    },
    run: () => {
      throw new Error('not asked here');
    },
    stats: () => stats,
    lost: () => lost,
    close: async () => undefined,
  };
  readiness = new Readiness({
    ...{ redis, engine, log },
    isRegistered: () => state.registered,
    isServing: () => state.serving,
    probeTimes: { everyMs: 20, againMs: 20 },
  });
});
afterEach(async () => {
  readiness.close();
  redis.disconnect();
  await server.stop();
});

/** The checks that don't hold, with their reasons. */
async function faults(): Promise<Record<string, string | undefined>> {
  const checks = Object.entries(await readiness.checks());
  return Object.fromEntries(checks.filter(([, { ok }]) => !ok).map(([name, { reason }]) => [name, reason]));
}

it('is ready when all is well, and names every check', async () => {
  expect(await readiness.checks()).toEqual({
    ...{ redis: { ok: true }, registered: { ok: true }, serving: { ok: true } },
    ...{ forkserver: { ok: true }, pool: { ok: true }, layers: { ok: true } },
  });
});

it('is not ready while Redis does not answer, and is again', async () => {
  await server.kill('SIGSTOP');
  expect(await faults()).toEqual({ redis: 'no answer within 1000 ms' });
  await server.kill('SIGCONT');
  expect(await faults()).toEqual({});
});

it('is not ready before it has joined, nor while it drains', async () => {
  layers = [];
  state = { registered: false, serving: false };
  expect(await faults()).toEqual({
    registered: 'this worker has not joined its queue yet: the log says why',
    serving: 'this worker drains',
  });
});

it('is not ready when nothing can make sandboxes any more', async () => {
  lose();
  expect(Object.keys(await faults())).toEqual(['forkserver']);
});

it('is not ready while a pool is given up, and says why it is', async () => {
  stats.pools = [POOL, { ...POOL, root: 'other', stopped: true, failures: 3, lastFailure: 'mount: EPERM' }];
  expect(await faults()).toEqual({ pool: 'making sandboxes failed repeatedly: mount: EPERM' });
});

it('is not ready when no slot is left', async () => {
  stats.slots = { free: 0, inUse: 0, quarantined: 4 };
  expect(Object.keys(await faults())).toEqual(['pool']);
});

it('asks Redis once, however many ask at the same time', async () => {
  const before = Number(/cmdstat_ping:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  await Promise.all(Array.from({ length: 50 }, () => readiness.checks()));
  const after = Number(/cmdstat_ping:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  expect(after - before).toBe(1);
});

it('is not ready while a layer of the host does not hold any more, and is again', async () => {
  const until = async (names: string[]) => {
    for (const end = Date.now() + 10_000; Date.now() < end; await sleep(10)) {
      const found = await faults();
      if (Object.keys(found).join() === names.join()) return found;
    }
    throw new Error(`not within 10 s: ${names}`);
  };
  const layer = { layer: 'landlock', held: false, tried: true, value: null, triedBy: null } as const;
  layers = [{ ...layer, message: 'ENOSYS', remedy: 'another kernel' }];
  expect(await until(['layers'])).toEqual({ layers: 'landlock: ENOSYS' });
  layers = [];
  await until([]);
});
