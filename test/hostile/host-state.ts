// What of the host must be the same after a test as before: settings of the kernel, mounts with their options, control
// groups above those of jobs, and files that belong to a slot.

import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One moment of the host, as lines `KIND: NAME VALUE`. */
export type HostState = ReadonlySet<string>;

// What changes by itself, or by reading it; and interfaces, which others on this machine may add.
const VOLATILE =
  /^(kernel\/(ns_last_pid|perf_event_max_sample_rate|random\/)|vm\/(stat_refresh|compact_memory)|net\/ipv[46]\/(conf|neigh)\/(?!(all|default|lo)\/))/;
const GROUP_FILES = [
  'release_agent',
  'notify_on_release',
  'memory.limit_in_bytes',
  'memory.max',
  'pids.max',
  'cpu.max',
  'cpu.cfs_quota_us',
  'devices.list',
];
const SHARED_PLACES = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/usr', '/usr/bin', '/etc', '/'];

/** Takes the state; `uids` are those that sandboxes run as. */
export function takeHostState(uids: { first: number; count: number }): HostState {
  return new Set([...settings(), ...mounts(), ...groups(), ...strays(uids)]);
}

/** What differs, a line each. */
export function compareHostStates(before: HostState, after: HostState): string[] {
  const lost = [...before].filter((line) => !after.has(line)).map((line) => `was: ${line}`);
  return [...lost, ...[...after].filter((line) => !before.has(line)).map((line) => `is: ${line}`)];
}

/** Every setting below /proc/sys that can be written, the kernel's taint among them. */
function settings(): string[] {
  return readdirSync('/proc/sys', { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice('/proc/sys/'.length);
    if (!entry.isFile() || VOLATILE.test(name) || (lstatSync(path).mode & 0o222) === 0) return [];
    return [`setting: ${name} ${readOr(path)}`];
  });
}

/** Where, what, and with which options; ids and peer groups are left out. */
function mounts(): string[] {
  return lines('/proc/self/mountinfo').map((line) => {
    const [, , , root, point, options, ...rest] = line.split(' ');
    return `mount: ${point} ${root} ${options} ${rest.slice(rest.indexOf('-') + 1).join(' ')}`;
  });
}

/** The top of each control group hierarchy, and our own group in it. */
function groups(): string[] {
  const tops = lines('/proc/self/mounts')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, point = '']) => point);
  const own = lines('/proc/self/cgroup').map((line) => line.slice(line.indexOf(':/') + 1));
  const directories = new Set(tops.flatMap((top) => ['/', ...own].map((group) => join(top, group))));
  return [...directories].flatMap((directory) =>
    GROUP_FILES.map((name) => [name, readOr(join(directory, name))])
      .filter(([, value]) => value !== 'ENOENT' && value !== 'ENOTDIR')
      .map(([name, value]) => `group: ${directory} ${name} ${value}`),
  );
}

/** Entries of shared directories that belong to a slot, or bear the name that the programs here would give. */
function strays({ first, count }: { first: number; count: number }): string[] {
  return SHARED_PLACES.flatMap((place) =>
    namesIn(place)
      .map((name) => join(place, name))
      .filter((path) => {
        const uid = lstatSync(path, { throwIfNoEntry: false })?.uid ?? 0;
        return (uid >= first && uid < first + count) || /\/hostile[^/]*$/.test(path);
      })
      .map((path) => `stray: ${path}`),
  );
}

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').trim().split('\n');
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
