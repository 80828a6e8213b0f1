// What a worker could leave on its machine: processes, cgroups, mounts, files. Taken before and after, compared as sets.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Where to look. Parts of the machine that others use at the same time don't count. */
export interface Place {
  /** Host uids of the worker's sandboxes. */
  uids: { first: number; count: number };
  /** Directories whose content counts, such as the worker's run directory and its temporary one. */
  directories: string[];
}

// What a worker keeps in its run directory by design: locks, which are never removed, and the directories for them.
const KEPT =
  /^(turn\.lock file|(instances|uids|stage|spool)\/|(instances|uids)\/[a-z0-9-]+\.lock file|spool\/[0-9a-f]{32}\/(w-[a-z2-7]{5}\/)?)$/;

/** Sorted lists of what was there at one moment. */
export interface Inventory {
  /** `PID NAME`: sandboxed processes, our own descendants, and forkservers or workers that lost their parent. */
  processes: string[];
  /** cgroup directories below one named `bullpen`, in every hierarchy. */
  cgroups: string[];
  /** Mount points of this mount namespace, a line each. */
  mounts: string[];
  /** Paths below the place's directories, without the locks that a worker keeps. */
  directories: string[];
}

/** Takes stock of a place. Reads only; what vanishes while it is read does not count. */
export function takeInventory(place: Place): Inventory {
  return {
    processes: processes(place).sort(),
    cgroups: cgroups().sort(),
    mounts: mountTable().map((mount) => `${mount.type} ${mount.point}`),
    directories: place.directories.flatMap(contentOf).sort(),
  };
}

/** What differs, one line each (`left: …`, `gone: …`); empty when both are equal. */
export function compareInventories(before: Inventory, after: Inventory): string[] {
  const kinds = ['processes', 'cgroups', 'mounts', 'directories'] as const;
  return kinds.flatMap((kind) => [
    ...missingFrom(before[kind], after[kind]).map((entry) => `left: ${kind}: ${entry}`),
    ...missingFrom(after[kind], before[kind]).map((entry) => `gone: ${kind}: ${entry}`),
  ]);
}

/** The same inventory without cgroups of other worker instances than these, which others may use at the same time. */
export function ofInstances(inventory: Inventory, instances: string[]): Inventory {
  const belongs = (path: string): boolean => instances.some((instance) => `${path}/`.includes(`/bullpen/${instance}/`));
  return { ...inventory, cgroups: inventory.cgroups.filter(belongs) };
}

function missingFrom(list: string[], other: string[]): string[] {
  const counts = new Map<string, number>();
  for (const entry of list) counts.set(entry, (counts.get(entry) ?? 0) + 1);
  return other.filter((entry) => {
    const left = counts.get(entry) ?? 0;
    counts.set(entry, left - 1);
    return left <= 0;
  });
}

interface ProcessEntry {
  pid: number;
  parent: number;
  uid: number;
  name: string;
  orphanOfOurs: boolean;
}

function processes(place: Place): string[] {
  const all = new Map<number, ProcessEntry>();
  for (const name of readdirSync('/proc')) {
    const entry = /^\d+$/.test(name) ? readProcess(Number(name)) : null;
    if (entry) all.set(entry.pid, entry);
  }
  const counts = (entry: ProcessEntry): boolean => {
    const { first, count } = place.uids;
    return (entry.uid >= first && entry.uid < first + count) || entry.orphanOfOurs || descendsFromUs(entry, all);
  };
  return [...all.values()].filter(counts).map((entry) => `${entry.pid} ${entry.name}`);
}

function readProcess(pid: number): ProcessEntry | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
    const parent = Number(field('PPid'));
    return { pid, parent, uid: Number(field('Uid')), name: field('Name'), orphanOfOurs: parent === 1 && isOurs(pid) };
  } catch {
    return null;
  }
}

function isOurs(pid: number): boolean {
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  if (command.some((word) => word.endsWith('worker/cli/main.ts'))) return true;
  return (
    basename(command[0] ?? '').startsWith('bullpen-forkserver') || readExecutable(pid).includes('bullpen-forkserver')
  );
}

function readExecutable(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '';
  }
}

function descendsFromUs(entry: ProcessEntry, all: Map<number, ProcessEntry>): boolean {
  for (let at: ProcessEntry | undefined = entry; at; at = all.get(at.parent)) {
    if (at.parent === process.pid) return true;
  }
  return false;
}

function cgroups(): string[] {
  const roots = mountTable().filter((mount) => mount.type === 'cgroup' || mount.type === 'cgroup2');
  return roots.flatMap((mount) => directoriesBelow(mount.point)).filter((path) => path.includes('/bullpen/'));
}

function mountTable(): { type: string; point: string }[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, point = '', type = '']) => ({ type, point }));
}

function directoriesBelow(directory: string): string[] {
  return list(directory).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? [path, ...directoriesBelow(path)] : [];
  });
}

function contentOf(directory: string): string[] {
  return pathsBelow(directory).filter((path) => !KEPT.test(path.slice(directory.length + 1)));
}

function pathsBelow(directory: string): string[] {
  return list(directory).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? [`${path}/`, ...pathsBelow(path)] : [`${path} ${sizeOf(path)}`];
  });
}

function sizeOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? 'file' : 'other';
}

function list(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}
