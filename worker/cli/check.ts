// `bullpen-worker check`: can this host do it? Each layer is tried by use.

import { Redis } from 'ioredis';
import { type RedisAddress, tlsOptions } from '../../protocol/index.ts';
import type { CheckedRedis, CheckReport } from '../../schemas/types.ts';
import { loadSettings, type Settings } from '../config.ts';
import type { Probe } from '../engine.ts';
import { forOneJob, openEngine } from '../lease.ts';
import { describeDurability, durabilityFault, evictionFault, readRedisHealth } from '../redis-health.ts';
import { readSecrets } from '../secrets.ts';
import { EXIT } from './exit-code.ts';
import { printLine } from './streams.ts';
import { type Cell, renderTable } from './table.ts';

const REDIS_TIMEOUT_MS = 3_000;

/** Prints the report and answers 4 when a layer or a runtime fails. */
export async function checkHost({ config, json }: { config: string | null; json: boolean }): Promise<number> {
  const settings = loadSettings(config, process.env);
  const secrets = settings.redisIsConfigured ? readSecrets(settings) : null;
  for (const warning of secrets?.warnings ?? []) process.stderr.write(`bullpen-worker: warning: ${warning}\n`);
  const { layers, runtimes } = await probeHost(settings);
  const redis = secrets === null ? null : await probeRedis(secrets.redis, settings);
  const ok = layers.every(({ held }) => held) && runtimes.every((runtime) => runtime.ok);
  await printLine(json ? JSON.stringify({ ok, layers, runtimes, redis }) : describe({ ok, layers, runtimes, redis }));
  return ok ? EXIT.ok : EXIT.failed;
}

async function probeHost(settings: Settings): Promise<Probe> {
  const { engine, dropPrivileges } = await openEngine(forOneJob(settings), { drops: true });
  try {
    dropPrivileges();
    return await engine.probe();
  } finally {
    await engine.close();
  }
}

/** Says whether Redis answers, keeps what it was given (`noeviction`) and would survive its own end (AOF). */
async function probeRedis(address: RedisAddress, { redisMayEvict }: Settings): Promise<CheckedRedis> {
  const redis = new Redis(address.url, {
    ...tlsOptions(address),
    lazyConnect: true,
    connectTimeout: REDIS_TIMEOUT_MS,
    commandTimeout: REDIS_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let failure = 'no answer';
  redis.on('error', (error) => {
    failure = error.message;
  });
  try {
    await redis.connect();
    const health = await readRedisHealth(redis);
    const faults = [redisMayEvict ? null : evictionFault(health), durabilityFault(health)].filter(
      (one) => one !== null,
    );
    const durability = describeDurability(health);
    return { ok: faults.length === 0, message: faults.join('; ') || `answers; ${durability}`, durability };
  } catch (error) {
    const reason = error instanceof Error ? error.message : failure;
    return { ok: false, message: `unreachable: ${reason}`, durability: null };
  } finally {
    redis.disconnect();
  }
}

function describe({ ok, layers, runtimes, redis }: CheckReport): string {
  const rows: Cell[][] = [
    ['', 'layer', 'value', 'tried by', ''],
    ...layers.map(({ layer, held, value, triedBy, message, remedy }) => [
      mark(held),
      layer,
      value ?? '',
      triedBy ?? '',
      [message, remedy === null ? null : `Remedy: ${remedy}`].filter((part) => part !== null).join('. '),
    ]),
    ...runtimes.map(({ name, ok, message }) => {
      const [answer, fault] = ok ? [`--version → ${message}`, ''] : ['', message ?? ''];
      return [mark(ok), `runtime ${name}`, '', answer, fault];
    }),
    ...(redis === null ? [] : [[mark(redis.ok), 'redis', '', '', redis.message]]),
  ];
  const verdict = ok ? 'This host can hold every layer.' : 'This host can not hold every layer: see the remedies.';
  return `${renderTable(rows)}\n${verdict}`;
}

function mark(ok: boolean): Cell {
  return ok ? { text: 'ok', colour: 'green' } : { text: 'FAIL', colour: 'red' };
}
