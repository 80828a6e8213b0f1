import type { Redis } from 'ioredis';

/** What of a Redis' settings bears on our promises. */
export interface RedisHealth {
  /** What it does with keys when it is full, such as `noeviction`; null when it doesn't say. */
  policy: string | null;
  /** Whether it writes an append-only file, so that it would still know what it accepted after its own end; null: unknown. */
  aof: boolean | null;
  /** When that file reaches the disk: `always`, `everysec` or `no`; null when this login may not ask. */
  fsync: string | null;
}

/** Reads the settings from INFO, and from CONFIG what only that tells, if this login may. Throws what the connection throws. */
export async function readRedisHealth(redis: Redis): Promise<RedisHealth> {
  const [memory, persistence, fsync] = await Promise.all([
    redis.info('memory'),
    redis.info('persistence'),
    readFsync(redis),
  ]);
  const aof = fieldOf(persistence, 'aof_enabled');
  return { policy: fieldOf(memory, 'maxmemory_policy'), aof: aof === null ? null : aof === '1', fsync };
}

/** Why a queue can't be kept there, with the remedy; null when it can. */
export function evictionFault({ policy }: RedisHealth): string | null {
  if (policy === 'noeviction') return null;
  const found = policy === null ? 'it does not say what it evicts' : `its maxmemory-policy is ${policy}`;
  return `${found}, so jobs and results can vanish. Remedy: maxmemory-policy noeviction; or "redisMayEvict": true accepts it`;
}

/** What would make it lose jobs at its own end, with the remedy; null when nothing would. */
export function durabilityFault({ aof }: RedisHealth): string | null {
  if (aof === true) return null;
  const found = aof === null ? 'it does not say whether AOF is on: if not' : 'AOF is off';
  return `${found}, a restart loses accepted jobs. Remedy: appendonly yes`;
}

/** In words: what survives its own end. */
export function describeDurability({ aof, fsync }: RedisHealth): string {
  if (aof === null) return 'unknown';
  if (!aof) return 'AOF off: what was accepted is lost at its end';
  return FSYNC[fsync ?? ''] ?? 'AOF on, appendfsync unknown: this login may not use CONFIG';
}

const FSYNC: Record<string, string> = {
  always: 'AOF on, appendfsync always: what was accepted survives',
  everysec: 'AOF on, appendfsync everysec: a crash of its machine loses up to two seconds',
  no: 'AOF on, appendfsync no: a crash of its machine loses what the kernel had not written, often 30 seconds',
};

async function readFsync(redis: Redis): Promise<string | null> {
  try {
    const reply = await redis.config('GET', 'appendfsync');
    return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : null;
  } catch (error) {
    // NOPERM, or a service that has renamed the command: the answer is then unknown.
    if (error instanceof Error && error.name === 'ReplyError') return null;
    throw error;
  }
}

function fieldOf(info: string, name: string): string | null {
  return new RegExp(`^${name}:([^\\r\\n]*)`, 'm').exec(info)?.[1] ?? null;
}
