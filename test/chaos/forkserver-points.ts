// Moments at which a forkserver may die, by the call of the kernel that it is about to make for the one job that it has. `strace` kills it
// there: what dies is the released program.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { until } from '../helpers/pen.ts';

/** A named moment. */
export interface ForkserverPoint {
  name: string;
  call: 'sendmsg' | 'clone3' | 'wait4' | 'unlinkat';
  /** The n-th of these calls, from when the job comes. */
  nth: number;
}

/** All of them, in the order of a sandbox's life. */
export const FORKSERVER_POINTS: readonly ForkserverPoint[] = [
  { name: 'before-clone', call: 'clone3', nth: 1 },
  { name: 'after-clone', call: 'sendmsg', nth: 1 }, // to init: go on
  { name: 'before-provisioned', call: 'sendmsg', nth: 2 }, // to the worker, as those below
  { name: 'before-claimed', call: 'sendmsg', nth: 3 },
  { name: 'before-exec', call: 'sendmsg', nth: 4 }, // to init: run
  { name: 'after-exec', call: 'sendmsg', nth: 5 },
  { name: 'after-kill', call: 'wait4', nth: 1 },
  { name: 'before-ended', call: 'sendmsg', nth: 6 },
  { name: 'before-clerk', call: 'clone3', nth: 2 },
  { name: 'after-clerk', call: 'wait4', nth: 2 },
  { name: 'before-rmdir', call: 'unlinkat', nth: 1 },
];

/** Kills a process at a point. Resolves when it will; `done` then resolves when it is dead. */
export async function killAt({ name, call, nth }: ForkserverPoint, pid: number): Promise<{ done: Promise<unknown> }> {
  const how = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${nth}`];
  const strace: ChildProcess = spawn('strace', ['-q', '-p', `${pid}`, ...how], { stdio: 'ignore' });
  await once(strace, 'spawn');
  const done = once(strace, 'exit');
  await until(`strace waits for ${name}`, () => tracerOf(pid) === strace.pid);
  return { done };
}

function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
