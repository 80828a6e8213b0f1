import type { Redis } from 'ioredis';

/** What of a Redis' settings bears on our promises. */
export interface RedisHealth {
  /** It may throw keys away when it is full: jobs and results could vanish. */
  evicts: boolean;
  /** Whether it would still know what it accepted after its own end. */
  persists: boolean;
}

/** Reads the settings from INFO; throws what the connection throws. */
export async function readRedisHealth(redis: Redis): Promise<RedisHealth> {
  const memory = await redis.info('memory');
  const persistence = await redis.info('persistence');
  const isBounded = !/^maxmemory:0\r?$/m.test(memory);
  return {
    evicts: isBounded && !/^maxmemory_policy:noeviction\r?$/m.test(memory),
    persists: /^aof_enabled:1\r?$/m.test(persistence),
  };
}

/** What is wrong, one remedy each; empty when nothing is. */
export function healthFaults({ evicts, persists }: RedisHealth): string[] {
  return [
    ...(evicts ? ['it evicts keys, so jobs can vanish. Remedy: maxmemory-policy noeviction'] : []),
    ...(persists ? [] : ['AOF is off, so a restart loses accepted jobs. Remedy: appendonly yes']),
  ];
}
