// The memory of this host, and how much of it a job may take.

import { readFileSync } from 'node:fs';
import { DEFAULT_CEILING_LIMITS, DEFAULT_LIMITS } from '../schemas/defaults.ts';
import type { Job, Policy } from '../schemas/types.ts';
import type { Settings } from './config.ts';

/** Bytes. */
export interface HostMemory {
  /** What can be taken without swapping, by the kernel's own estimate (`MemAvailable`, proc_meminfo(5)). */
  available: number;
  total: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const RESERVE_SHARE = 0.05;
const RESERVE_LEAST = 128 * MIB;
const RESERVE_MOST = 1024 * MIB;

/** Reads `/proc/meminfo`. Throws what the system throws. */
export function readHostMemory(): HostMemory {
  const text = readFileSync('/proc/meminfo', 'latin1');
  const of = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1]) * KIB;
  return { available: of('MemAvailable'), total: of('MemTotal') };
}

/** What no job may count on: for this worker, its forkserver and the host. A twentieth, 128 MiB to 1 GiB. */
export function reserveOf(total: number): number {
  return Math.min(RESERVE_MOST, Math.max(RESERVE_LEAST, Math.floor(total * RESERVE_SHARE)));
}

/** Most that any job may take here. */
export function largestNeed({ ceilings }: Pick<Settings, 'ceilings'>): number {
  return ceilings.limits?.memoryBytes ?? DEFAULT_CEILING_LIMITS.memoryBytes;
}

/** What the job of this document may take: its limit, or the limit that applies to it. 0 for one that will be refused. */
export function needOf(document: Uint8Array, settings: Pick<Settings, 'ceilings' | 'defaults' | 'policies'>): number {
  const policy = policyOf(document);
  if (policy === null) return 0;
  const named = policy !== undefined && 'name' in policy ? settings.policies[policy.name] : undefined;
  const inline = policy !== undefined && !('name' in policy) ? policy : undefined;
  const limits = inline?.limits ?? named?.limits;
  const need = limits?.memoryBytes ?? settings.defaults.limits?.memoryBytes ?? DEFAULT_LIMITS.memoryBytes;
  return need <= largestNeed(settings) ? need : 0;
}

/** Null when the document can't be read: whoever begins it says so. */
function policyOf(document: Uint8Array): Job['policy'] | null {
  try {
    const { policy } = JSON.parse(Buffer.from(document).toString('utf8')) as { policy?: Policy | { name: string } };
    return policy as Job['policy'];
  } catch {
    return null;
  }
}
