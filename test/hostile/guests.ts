// A pen's processes as the host sees them.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostilePen } from './harness.ts';

/** One process or thread. */
export interface Task {
  pid: number;
  task: number;
  name: string;
  /** `/proc/PID/task/TASK/status`, field by field. */
  status: Record<string, string>;
}

/** Every task with a uid of this pen's, the neighbour's excepted; with `inits`, also the first processes of sandboxes. */
export function tasksOf(pen: HostilePen, { inits = false } = {}): Task[] {
  const { firstUid, uidCount } = pen.lease;
  return numbersIn('/proc').flatMap((pid) =>
    numbersIn(`/proc/${pid}/task`).flatMap((task) => {
      const status = statusOf(`/proc/${pid}/task/${task}/status`);
      const uid = Number(status['Uid']?.split('\t')[0] ?? -1);
      const name = status['Name'] ?? '';
      const counts =
        uid >= firstUid && uid < firstUid + uidCount && pid !== pen.neighbour && status['State'] !== undefined;
      return counts && (inits || !isInit(status)) ? [{ pid, task, name, status }] : [];
    }),
  );
}

/** Every task below a process of the host. */
export function tasksBelow(ancestor: number): Task[] {
  const all = numbersIn('/proc').map((pid) => [pid, Number(statusOf(`/proc/${pid}/status`)['PPid'] ?? 0)] as const);
  const parents = new Map(all);
  const isBelow = (pid: number): boolean => pid === ancestor || (pid > 1 && isBelow(parents.get(pid) ?? 0));
  return all
    .filter(([pid, parent]) => pid !== ancestor && isBelow(parent))
    .flatMap(([pid]) =>
      numbersIn(`/proc/${pid}/task`).map((task) => {
        const status = statusOf(`/proc/${pid}/task/${task}/status`);
        return { pid, task, name: status['Name'] ?? '', status };
      }),
    );
}

/** Waits until nothing of a job is left; throws naming what is, after `withinMs`. */
export async function untilNoGuests(pen: HostilePen, withinMs: number): Promise<void> {
  for (const began = Date.now(); Date.now() - began < withinMs; await sleep(20)) {
    if (tasksOf(pen).length === 0) return;
  }
  const left = tasksOf(pen).map(({ pid, name }) => `${pid} ${name}`);
  if (left.length > 0) throw new Error(`left after ${withinMs} ms: ${left}`);
}

/** PID 1 of its innermost namespace. */
function isInit(status: Record<string, string>): boolean {
  return /\s1$/.test(status['NSpid'] ?? '');
}

export function statusOf(path: string): Record<string, string> {
  try {
    const lines = readFileSync(path, 'utf8').trim().split('\n');
    return Object.fromEntries(
      lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()]),
    );
  } catch {
    return {};
  }
}

function numbersIn(directory: string): number[] {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
