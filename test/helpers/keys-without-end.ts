import type { Redis } from 'ioredis';
import { kindOf } from '../../protocol/retention.ts';

/**
 * Keys of a Redis with one queue, of which every job has ended, that would stay for ever: of no kind that is listed, or without a time to
 * live although their kind has one or their job has ended.
 */
export async function keysWithoutEnd(redis: Redis, queue: string): Promise<string[]> {
  const endless: string[] = [];
  for await (const keys of redis.scanStream({ count: 1000 }) as AsyncIterable<string[]>) {
    for (const key of keys) {
      const kind = kindOf(key, queue);
      if (kind === null) endless.push(`${key}: of no kind that is listed`);
      else if (kind.end !== 'bound' && (await redis.ttl(key)) === -1) endless.push(`${key}: no time to live`);
    }
  }
  return endless.sort();
}
