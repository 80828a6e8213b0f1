import { Redis, type RedisOptions } from 'ioredis';
import { type RedisAddress, tlsOptions } from '../protocol/index.ts';
import type { Log } from './log.ts';

const RECONNECT_MAX_MS = 2_000;
/** Commands unanswered for this long: the connection only looks alive (its other end is gone without a word), and is replaced. */
const SILENCE_MS = 5_000;
/** BullMQ asks to be answered within 10 s here, when there is nothing to fetch. */
const BLOCKING_SILENCE_MS = 15_000;

/** The connections of one worker, each with its own manners. All reconnect for ever, ever more slowly up to 2 s. */
export interface Connections {
  /**
   * For the protocol's scripts: fails at once while Redis is away and never resends by itself, since the caller must look
   * at the age of its lock before it tries again.
   */
  readonly scripts: Redis;
  /** For BullMQ, which wants its commands to wait. BullMQ makes its blocking connection from this one. */
  readonly bull: Redis;
  /** For channels; subscribes again by itself. */
  readonly channels: Redis;
  close(): void;
}

/** Begins to connect; resolves nothing and throws nothing. `log` hears of each loss once. */
export function openConnections(address: RedisAddress, log: Log): Connections {
  const { url } = address;
  const times = { connectTimeout: 5_000, keepAlive: 10_000, socketTimeout: SILENCE_MS };
  const base = { lazyConnect: true, ...times, ...tlsOptions(address), retryStrategy } satisfies RedisOptions;
  const waiting = { ...base, maxRetriesPerRequest: null } satisfies RedisOptions;
  const failing = {
    ...base,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 10_000,
  } satisfies RedisOptions;
  const connections = {
    scripts: new Redis(url, failing),
    bull: new BullRedis(url, waiting),
    channels: new Redis(url, waiting),
  };
  // Only a question shows that nobody is there: this connection has none of its own.
  const asking = setInterval(() => ask(connections.channels), SILENCE_MS);
  for (const [name, redis] of Object.entries(connections)) {
    watch(redis, log.child({ connection: name }));
    redis.connect().catch(() => undefined); // told by the events; it goes on trying
  }
  return {
    ...connections,
    close: () => {
      clearInterval(asking);
      for (const redis of Object.values(connections)) redis.disconnect();
    },
  };
}

class BullRedis extends Redis {
  /** Locks are renewed in a full Redis too: without, what runs would be killed. */
  override defineCommand(name: string, definition: Parameters<Redis['defineCommand']>[1]): void {
    const flags = name.startsWith('extendLocks') ? '#!lua flags=allow-oom\n' : '';
    super.defineCommand(name, { ...definition, lua: `${flags}${definition.lua}` });
  }

  /** What BullMQ makes of it is its blocking connection. */
  override duplicate(options?: Partial<RedisOptions>): Redis {
    return super.duplicate({ ...options, socketTimeout: BLOCKING_SILENCE_MS });
  }
}

function ask(redis: Redis): void {
  if (redis.status === 'ready') redis.ping().catch(() => undefined);
}

/** Resolves once the connection can be used; rejects when `signal` is aborted before. */
export async function whenReady(redis: Redis, signal: AbortSignal): Promise<void> {
  if (redis.status === 'ready') return;
  const { promise, resolve, reject } = withResolvers();
  const giveUp = () => reject(signal.reason);
  redis.once('ready', resolve);
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    await promise;
  } finally {
    redis.off('ready', resolve);
    signal.removeEventListener('abort', giveUp);
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } {
  let resolve = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function retryStrategy(times: number): number {
  const longest = Math.min(RECONNECT_MAX_MS, 50 * 2 ** Math.min(times, 10));
  return longest / 2 + Math.random() * (longest / 2);
}

function watch(redis: Redis, log: Log): void {
  let lost = false;
  redis.on('error', (error) => {
    if (!lost) log.warn({ reason: error.message }, 'Redis is unreachable, trying again');
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) log.info('Redis is back');
    lost = false;
  });
}
