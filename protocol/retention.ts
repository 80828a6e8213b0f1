// How long each key of a queue is kept: by a time to live, by the job that it belongs to, or by a bound. A key that is not listed here
// must not exist.

import { keysOf } from './keys.ts';

/**
 * What ends a key. `ttl`: a time to live, always. `job`: its job's end, from when on it has a time to live or is gone. `bound`: nothing, but
 * it can't grow beyond what its entry says.
 */
export type End = 'ttl' | 'job' | 'bound';

export interface KeyKind {
  /** Its name below the queue's prefix, capitals standing for what differs: `job:UID`. */
  readonly name: string;
  readonly end: End;
  /** Until when it is kept, or what bounds it. */
  readonly until: string;
}

/** Every kind of key that a queue may have. */
export const KEY_KINDS: readonly KeyKind[] = [
  { name: 'job:UID', end: 'job', until: 'tombstoneTtlMs after the end' },
  { name: 'id:TENANT:ID', end: 'job', until: 'tombstoneTtlMs after the end' },
  {
    name: 'document:UID:N',
    end: 'job',
    until: 'the end; of a dead letter as its tombstone; without an acceptance 1 h',
  },
  { name: 'result:UID', end: 'ttl', until: 'resultTtlMs after the end' },
  {
    name: 'blob:TENANT:SHA256:N',
    end: 'ttl',
    until: '8 days after it was last put; of a result resultTtlMs and a minute',
  },
  {
    name: 'expiring',
    end: 'bound',
    until: 'an entry for each result that is kept, and each piece of its large content',
  },
  { name: 'pending:TENANT', end: 'job', until: 'an entry for each waiting job that is not released' },
  { name: 'running:TENANT', end: 'job', until: 'an entry for each job that is released or runs' },
  { name: 'due', end: 'job', until: 'an entry for each waiting job' },
  { name: 'arrived', end: 'job', until: 'an entry for each waiting job' },
  { name: 'inflight', end: 'job', until: 'an entry for each job that is released or runs, slots × 1.5 at most' },
  { name: 'queued-bytes', end: 'job', until: 'a number for each tenant with waiting jobs' },
  { name: 'pace', end: 'job', until: 'two numbers for each tenant with waiting jobs' },
  { name: 'ready', end: 'job', until: 'an entry for each tenant with waiting jobs' },
  { name: 'held', end: 'job', until: 'an entry for each tenant with waiting jobs' },
  { name: 'finish', end: 'bound', until: 'tenants served since the virtual time moved past them' },
  { name: 'V', end: 'bound', until: 'one number' },
  { name: 'sequence', end: 'bound', until: 'one number' },
  { name: 'full', end: 'ttl', until: '10 s after a script last saw Redis full' },
  { name: 'tenant:NAME', end: 'bound', until: 'eight numbers for each name of which the operator says something' },
  { name: 'tenants', end: 'bound', until: '10,000 names' },
  { name: 'dead', end: 'bound', until: '1,000 entries' },
  { name: 'dead-bytes', end: 'bound', until: '1,000 entries' },
  { name: 'dead-totals', end: 'bound', until: 'three numbers' },
  { name: 'worker:INSTANCE', end: 'ttl', until: 'lockMs after the last heartbeat' },
  { name: 'workers', end: 'bound', until: 'an entry for each live worker' },
  { name: 'slots', end: 'bound', until: 'an entry for each live worker' },
  {
    name: 'audit:LOG',
    end: 'bound',
    until: '`bullpen audit trim`, which leaves 1,000 records; with none, Redis fills up and refuses jobs',
  },
  { name: 'audit-head:LOG', end: 'bound', until: 'one number and hash for each instance name, which are used again' },
  { name: 'audit-logs', end: 'bound', until: 'an entry for each instance name' },
  { name: 'bull:jobs:UID', end: 'job', until: 'released jobs, until they end' },
  { name: 'bull:jobs:UID:lock', end: 'ttl', until: 'lockMs' },
  { name: 'bull:jobs:meta', end: 'bound', until: 'a few numbers' },
  { name: 'bull:jobs:events', end: 'bound', until: 'about 100 events' },
  { name: 'bull:jobs:marker', end: 'bound', until: 'one entry' },
  { name: 'bull:jobs:id', end: 'bound', until: 'one number' },
  { name: 'bull:jobs:wait', end: 'job', until: 'released jobs' },
  { name: 'bull:jobs:active', end: 'job', until: 'running jobs' },
  { name: 'bull:jobs:stalled', end: 'job', until: 'running jobs' },
  { name: 'bull:jobs:stalled-check', end: 'ttl', until: 'stalledMs' },
];

const PARTS: Readonly<Record<string, string>> = {
  UID: '[a-z2-7]{26}',
  N: '[0-9]+',
  SHA256: '[0-9a-f]{64}',
  NAME: '[A-Za-z0-9_*+-]+',
};
const PATTERNS = KEY_KINDS.map((kind) => ({ kind, pattern: patternOf(kind.name) }));

/** What kind of key this is; null when it is not the queue's, or none that is listed. */
export function kindOf(key: string, queue: string): KeyKind | null {
  const { prefix } = keysOf(queue);
  if (!key.startsWith(prefix)) return null;
  const name = key.slice(prefix.length);
  return PATTERNS.find(({ pattern }) => pattern.test(name))?.kind ?? null;
}

function patternOf(name: string): RegExp {
  const parts = name.split(':').map((part) => PARTS[part] ?? (/^[A-Z]{2,}$/.test(part) ? '[A-Za-z0-9._-]+' : part));
  return new RegExp(`^${parts.join(':')}$`);
}
