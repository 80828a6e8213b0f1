// What holds for tenants: who may have how much of the queue.

import type { NamedTenant, Tenants } from '../schemas/types.ts';
import { integerAt, listAt, type Reply, textAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';

/** Stands for every tenant that isn't named, where a tenant's name is asked for. No tenant is called so. */
export const EVERY_TENANT = '*';
/** Stands for all tenants together, where a tenant's name is asked for. No tenant is called so. */
export const ALL_TENANTS = '+';

/** Weight and caps, in the order of the scripts. */
export const TENANT_LIMITS = ['weight', 'maxQueuedJobs', 'maxQueuedBytes', 'maxRunningJobs'] as const;
export type TenantLimit = (typeof TENANT_LIMITS)[number];

/** What an operator says while all runs: a number, null (no cap), or `unsaid` (what the configuration says counts again). */
export type LimitWords = { readonly [limit in TenantLimit]?: number | null | 'unsaid' };

/** `too-many`: something is said of `limit` names already; take some back first. */
export type LimitAnswer = { answer: 'said' } | { answer: 'too-many'; limit: number };

/** Whose word counts: this name's said live or in the configuration, that of every tenant, or nobody's. */
export type LimitSource = 'live' | 'configured' | 'every-live' | 'every-configured' | 'built-in';

/** A tenant in the eyes of the queue. */
export interface TenantStanding {
  name: string;
  /** Values in force; null is no cap. All tenants together have no weight: null. */
  limits: Record<TenantLimit, { value: number | null; from: LimitSource }>;
  /** Jobs that wait and are not with workers yet; of all tenants together, also those that are. */
  queuedJobs: number;
  /** Bytes of the documents of queued jobs and of the content that they bring. */
  queuedBytes: number;
  /** Jobs that are with workers, begun or about to. */
  runningJobs: number;
}

const NAMES_LISTED = 1000;

/** Takes effect with the next acceptance and the next release. */
export async function limitTenant(queue: QueueRedis, name: string, words: LimitWords): Promise<LimitAnswer> {
  const reply = await queue.run('limit', [name, ...TENANT_LIMITS.map((limit) => wordOf(words[limit]))]);
  switch (textAt(reply, 0)) {
    case 'said':
      return { answer: 'said' };
    case 'too-many':
      return { answer: 'too-many', limit: integerAt(reply, 1) };
    default:
      throw unknownAnswer('limit', reply);
  }
}

export async function readTenant(queue: QueueRedis, name: string): Promise<TenantStanding> {
  const reply = await queue.run('tenant', [name]);
  const limits = Object.fromEntries(TENANT_LIMITS.map((limit, place) => [limit, limitOf(listAt(reply, place))]));
  const figures = {
    queuedJobs: integerAt(reply, 4),
    queuedBytes: integerAt(reply, 5),
    runningJobs: integerAt(reply, 6),
  };
  return { name, limits: limits as TenantStanding['limits'], ...figures };
}

/** Tenants of which something is said or that have jobs waiting, by name; the first 1,000. */
export async function listTenants({ redis, keys }: QueueRedis): Promise<string[]> {
  const [said, ready, held] = await Promise.all([
    redis.hrandfield(keys.tenants, NAMES_LISTED) as Promise<string[]>,
    redis.zrange(keys.ready, '0', `${NAMES_LISTED - 1}`),
    redis.srandmember(keys.held, NAMES_LISTED),
  ]);
  const names = new Set([...said, ...ready, ...held].filter((name) => name !== EVERY_TENANT && name !== ALL_TENANTS));
  return [...names].sort().slice(0, NAMES_LISTED);
}

/** A configuration's tenants as the arguments of a registration. */
export function tenantArguments({ every = {}, named = {}, total = {} }: Tenants): (string | number)[] {
  const names = Object.entries({ ...named, [EVERY_TENANT]: every, [ALL_TENANTS]: total });
  const words = names.flatMap(([name, limits]: [string, NamedTenant]) => [
    name,
    ...TENANT_LIMITS.map((limit) => wordOf(limits[limit])),
  ]);
  return [names.length, ...words];
}

function wordOf(value: number | null | 'unsaid' | undefined): string {
  if (value === undefined) return '';
  return value === null ? 'none' : String(value);
}

function limitOf(reply: Reply): { value: number | null; from: LimitSource } {
  const value = textAt(reply, 0);
  return { value: value === 'none' ? null : Number(value), from: textAt(reply, 1) as LimitSource };
}
