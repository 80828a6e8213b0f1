import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import {
  describeDurability,
  durabilityFault,
  evictionFault,
  type RedisHealth,
  readRedisHealth,
} from '../../../worker/redis-health.ts';

let server: PrivateRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startPrivateRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await set({ 'maxmemory-policy': 'noeviction', appendonly: 'yes', appendfsync: 'everysec' });
});

async function set(settings: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) await redis.config('SET', name, value);
}

it('a Redis that keeps all and writes AOF has no fault', async () => {
  const health = await readRedisHealth(redis);
  expect(health).toEqual({ policy: 'noeviction', aof: true, fsync: 'everysec' });
  expect([evictionFault(health), durabilityFault(health)]).toEqual([null, null]);
  expect(describeDurability(health)).toContain('appendfsync everysec');
});

it.each(['allkeys-lru', 'volatile-ttl', 'volatile-random'])(
  '%s is a fault, even without a limit so far',
  async (policy) => {
    await set({ 'maxmemory-policy': policy });
    expect(evictionFault(await readRedisHealth(redis))).toMatch(`maxmemory-policy is ${policy}`);
  },
);

it('without AOF it says what is lost', async () => {
  await set({ appendonly: 'no' });
  const health = await readRedisHealth(redis);
  expect(durabilityFault(health)).toMatch('appendonly yes');
  expect(describeDurability(health)).toMatch('AOF off');
});

it.each(['always', 'no'])('appendfsync %s is told as what it means', async (fsync) => {
  await set({ appendfsync: fsync });
  expect(describeDurability(await readRedisHealth(redis))).toMatch(`appendfsync ${fsync}`);
});

it('a login that may not use CONFIG leaves only appendfsync unknown', async () => {
  await redis.call('ACL', 'SETUSER', 'plain', 'on', '>x', '+info', '+ping');
  const plain = new Redis(server.url, { username: 'plain', password: 'x' });
  const health = await readRedisHealth(plain);
  plain.disconnect();
  expect(health).toEqual({ policy: 'noeviction', aof: true, fsync: null });
  expect(describeDurability(health)).toMatch('appendfsync unknown');
});

it('what it does not say is not taken for good', () => {
  const nothing: RedisHealth = { policy: null, aof: null, fsync: null };
  expect(evictionFault(nothing)).toMatch('does not say');
  expect(durabilityFault(nothing)).toMatch('does not say');
  expect(describeDurability(nothing)).toBe('unknown');
});
