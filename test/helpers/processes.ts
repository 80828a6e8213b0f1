import { readdirSync, readFileSync } from 'node:fs';

/** What /proc says of a process, or '' when it is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const pids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Host processes whose command line holds the token: how a test sees a guest from outside. */
export function processesWith(token: string): number[] {
  return pids().filter((pid) => read(`/proc/${pid}/cmdline`).includes(token));
}

/** The children of a process. */
export function childrenOf(parent: number): number[] {
  return pids().filter((pid) => parentOf(pid) === parent);
}

/** All processes below one, the nearest first. */
export function descendantsOf(ancestor: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of pids()) children.set(parentOf(pid), [...(children.get(parentOf(pid)) ?? []), pid]);
  const found: number[] = [];
  for (
    let level = children.get(ancestor) ?? [];
    level.length > 0;
    level = level.flatMap((pid) => children.get(pid) ?? [])
  ) {
    found.push(...level);
  }
  return found;
}

function parentOf(pid: number): number {
  return Number(read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[1]);
}

/** What the kernel says of each thread of a process, field by field. */
export function threadsOf(pid: number): Map<string, string>[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const lines = read(`/proc/${pid}/task/${thread}/status`).split('\n');
    return new Map(lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()]));
  });
}

/** The forkserver of a worker: the one child of its shim. */
export function forkserversOf(worker: number): number[] {
  return childrenOf(worker).flatMap(childrenOf);
}

/** False for a process that is gone, and for a zombie. */
export function isAlive(pid: number): boolean {
  return !['', 'Z'].includes(stateOf(pid));
}

/** True while a process is held by SIGSTOP. */
export function isStopped(pid: number): boolean {
  return stateOf(pid) === 'T';
}

function stateOf(pid: number): string {
  return read(`/proc/${pid}/stat`).split(') ').at(-1)?.charAt(0) ?? '';
}
