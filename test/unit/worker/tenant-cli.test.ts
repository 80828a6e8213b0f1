import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { EVERY_TENANT, keysOf, Protocol } from '../../../protocol/index.ts';

import { governTenants } from '../../../worker/cli/tenant.ts';
import { UsageError } from '../../../worker/cli/usage.ts';

const CLI = fileURLToPath(new URL('../../../worker/cli/main.ts', import.meta.url));
const QUEUE = 'q';

let server: PrivateRedis;
let redis: Redis;
let directory: string;
let config: string;
beforeAll(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url);
  redis.on('error', () => undefined);
  directory = mkdtempSync(join(tmpdir(), 'bullpen-tenant-'));
  config = join(directory, 'config.json');
  writeFileSync(config, JSON.stringify({ version: 1, redis: server.url, queue: QUEUE }));
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function tenant(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return call(['tenant', ...words, '--config', config]);
}

async function call(words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'exit') as Promise<[number]>,
  ]);
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

describe('bullpen-worker tenant', () => {
  it('sets what it is told, leaves the rest, and shows both', async () => {
    const set = await tenant('set', 'acme', '--weight', '3', '--max-running-jobs', '8', '--json');
    expect(set).toMatchObject({ code: 0, stderr: '' });
    const { limits } = await new Protocol(redis, QUEUE).readTenant('acme');
    expect(JSON.parse(set.stdout)).toEqual({ name: 'acme', limits, queuedJobs: 0, queuedBytes: 0, runningJobs: 0 });
    expect(limits).toMatchObject({
      weight: { value: 3, from: 'live' },
      maxRunningJobs: { value: 8, from: 'live' },
      maxQueuedJobs: { from: 'built-in' },
    });
    const shown = await tenant('show', 'acme');
    expect(shown.stdout).toMatch(/^max-running-jobs +8 +0 +said live$/m);
    expect(shown.stdout).toMatch(/^max-queued-jobs +100000 +0 +built in$/m);
  });

  it('takes back what it was told', async () => {
    await tenant('set', 'gone', '--weight', '3');
    expect(await redis.exists(keysOf(QUEUE).tenant('gone'))).toBe(1);
    expect(await tenant('reset', 'gone')).toMatchObject({ code: 0 });
    expect(await redis.exists(keysOf(QUEUE).tenant('gone'))).toBe(0);
  });

  it('speaks of every tenant and of all together, and lists those that are known', async () => {
    await tenant('set', 'acme', '--weight', '3');
    await tenant('set', '--every', '--max-queued-jobs', '500');
    await tenant('set', '--total', '--max-queued-jobs', 'none');
    const { stdout } = await tenant('list', '--json');
    const names = JSON.parse(stdout).map(({ name }: { name: string }) => name);
    expect(names).toEqual([EVERY_TENANT, 'acme', '+']);
    const { limits } = await new Protocol(redis, QUEUE).readTenant('anybody');
    expect(limits.maxQueuedJobs).toEqual({ value: 500, from: 'every-live' });
    const people = (await tenant('list')).stdout;
    expect(people).toMatch(/^acme +3 +0 of 500 /m);
    expect(people).toMatch(/^\(all together\) +0 of none /m);
  });

  it.each([
    [['set', 'acme', '--weight', '0'], 'weight must be an integer between 1 and 1000'],
    [['set', 'acme', '--weight', 'none'], 'weight'],
    [['set', 'acme', '--weight', '1.5'], '--weight must be a whole number'],
    [['set', 'acme', '--max-queued-bytes', '1000'], 'maxQueuedBytes must be an integer between 18874368 '],
    [['set', '--total', '--weight', '2'], 'weight'],
    [['set', 'a:b', '--weight', '2'], 'a:b'],
    [['set', 'acme'], 'set takes a weight or a cap'],
    [['set', 'acme', '--total', '--weight', '2'], 'one of NAME, --every, --total'],
    [['reset', 'acme', '--weight', '2'], 'reset takes no weight'],
    [['show'], 'one of NAME'],
    [['list', 'acme'], 'list takes no name'],
    [['drop', 'acme'], 'list, show, set, reset'],
    [['set', 'acme', '--heavy'], '--heavy'],
  ])('refuses %j', async (words, message) => {
    const before = await redis.dbsize();
    const refused = governTenants([...words, '--config', config]);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(UsageError);
    expect(await redis.dbsize()).toBe(before);
  });

  it('answers 2 for a wrong call', async () => {
    expect(await tenant('set', 'acme')).toMatchObject({ code: 2, stdout: '' });
  });

  it('says that Redis can’t be reached', async () => {
    const nowhere = join(directory, 'nowhere.json');
    writeFileSync(nowhere, JSON.stringify({ version: 1, redis: 'redis://127.0.0.1:1', queue: QUEUE }));
    const { code, stderr } = await call(['tenant', 'list', '--config', nowhere]);
    expect(code).toBe(5);
    expect(stderr).toMatch(/^bullpen-worker: Redis: .*ECONNREFUSED/);
  });
});
