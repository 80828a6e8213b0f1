import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { startPrivateRedis } from '../../../ops/private-redis.ts';

it('is durable, never evicts, listens on loopback only, and leaves nothing behind', async () => {
  const server = await startPrivateRedis();
  const redis = new Redis(server.url);
  const settings = await redis.config('GET', 'append*', 'maxmemory-policy', 'bind', 'save');
  expect(settings).toEqual(
    expect.arrayContaining(['appendonly', 'yes', 'appendfsync', 'everysec', 'noeviction', '127.0.0.1']),
  );
  redis.disconnect();
  await server.stop();
  await server.stop();
  expect(existsSync(server.directory)).toBe(false);
  expect(() => server.pid).toThrow('not running');
});

it('keeps port and data over a restart, and what is older than a second over a kill', async () => {
  const server = await startPrivateRedis();
  const redis = new Redis(server.url);
  redis.on('error', () => undefined);
  await redis.set('a', '1');
  const { port, pid } = server;
  await server.restart();
  expect([server.port === port, server.pid === pid, await redis.get('a')]).toEqual([true, false, '1']);
  await new Promise((done) => setTimeout(done, 1100));
  await server.kill('SIGKILL');
  await server.restart();
  expect(await redis.get('a')).toBe('1');
  redis.disconnect();
  await server.stop();
});

it('leaves a directory that it was given', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bullpen-test-'));
  const server = await startPrivateRedis({ directory });
  await server.stop();
  expect(existsSync(directory)).toBe(true);
  await rm(directory, { recursive: true });
});

it('says why it did not start', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => taken.once('listening', done));
  const { port } = taken.address() as { port: number };
  await expect(startPrivateRedis({ port })).rejects.toThrow(/Address already in use/);
  taken.close();
});
