// How tenants show to a person

import {
  ALL_TENANTS,
  EVERY_TENANT,
  type LimitSource,
  TENANT_LIMITS,
  type TenantLimit,
  type TenantStanding,
} from '../../protocol/index.ts';
import { renderTable } from './table.ts';

/** The option that each limit is set with, without its dashes. */
export const FLAG_OF: Record<TenantLimit, string> = {
  weight: 'weight',
  maxQueuedJobs: 'max-queued-jobs',
  maxQueuedBytes: 'max-queued-bytes',
  maxRunningJobs: 'max-running-jobs',
};

const SOURCE: Record<LimitSource, string> = {
  live: 'said live',
  configured: 'configuration',
  'every-live': 'said live of every tenant',
  'every-configured': 'configuration, every tenant',
  'built-in': 'built in',
};

/** One name: each limit, what there is of it now, and whose word it is. */
export function tableOfOne({ name, limits, queuedJobs, queuedBytes, runningJobs }: TenantStanding): string {
  const now: Partial<Record<TenantLimit, number>> = {
    maxQueuedJobs: queuedJobs,
    maxQueuedBytes: queuedBytes,
    maxRunningJobs: runningJobs,
  };
  const shown = TENANT_LIMITS.filter((limit) => name !== ALL_TENANTS || limit !== 'weight');
  const rows = shown.map((limit) => [
    FLAG_OF[limit],
    show(limits[limit].value),
    name === EVERY_TENANT ? '' : String(now[limit] ?? ''),
    SOURCE[limits[limit].from],
  ]);
  return renderTable([[titleOf(name), 'limit', name === EVERY_TENANT ? '' : 'now', 'from'], ...rows]);
}

/** Many: a row each. */
export function tableOfAll(standings: TenantStanding[]): string {
  const rows = standings.map(({ name, limits, queuedJobs, queuedBytes, runningJobs }) => {
    const of = (now: number, limit: TenantLimit) =>
      name === EVERY_TENANT ? show(limits[limit].value) : `${now} of ${show(limits[limit].value)}`;
    return [
      titleOf(name),
      name === ALL_TENANTS ? '' : show(limits.weight.value),
      of(queuedJobs, 'maxQueuedJobs'),
      of(queuedBytes, 'maxQueuedBytes'),
      of(runningJobs, 'maxRunningJobs'),
    ];
  });
  return renderTable([['tenant', 'weight', 'queued jobs', 'queued bytes', 'running jobs'], ...rows]);
}

function titleOf(name: string): string {
  if (name === EVERY_TENANT) return '(every tenant)';
  return name === ALL_TENANTS ? '(all together)' : name;
}

function show(value: number | null): string {
  return value === null ? 'none' : String(value);
}
