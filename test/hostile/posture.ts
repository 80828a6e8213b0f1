// How a process of a sandbox stands, read from outside, and compared with what is checked in.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { statusOf } from './guests.ts';

/** One task, as `NAME: value` by name. What differs from run to run or host to host stands as a word in capitals. */
export type Posture = Record<string, string | string[]>;

const STATUS = [
  'Uid Gid Groups Umask TracerPid NSpid SigBlk SigIgn SigPnd NoNewPrivs Seccomp Seccomp_filters',
  'CapInh CapPrm CapEff CapBnd CapAmb',
]
  .join(' ')
  .split(' ');
/** What a job gets of its own; the other limits are those of whoever started the worker. */
const OWN_LIMITS = /file size|stack|core|open files|locked|pending|msgqueue|nice|realtime priority/;

/** What of a posture is the run's or the host's. */
export interface Words {
  /** Its cgroup's path holds this, wherever the hierarchy has its leaf. */
  instance: string;
  /** The main process of the payload, and PID 1 of its sandbox. */
  payload: number;
  init: number;
  /** Host paths of the policy, and what stands for them. */
  paths: Record<string, string>;
}

/** The posture of a task of a process. */
export function postureOf(pid: number, task: number, words: Words): Posture {
  const at = `/proc/${pid}/task/${task}`;
  const status = statusOf(`${at}/status`);
  const uid = status['Uid']?.split('\t')[0] ?? '';
  const posture: Posture = { comm: read(`${at}/comm`).trim() };
  for (const name of STATUS) posture[name] = wordOf(name, status[name] ?? 'MISSING', uid);
  // From the field after the name: state, parent, group, session, terminal, …
  const stat = read(`${at}/stat`).split(') ')[1]?.split(' ') ?? [];
  const leader = Number(stat[3]);
  return {
    ...posture,
    session: leader === words.payload ? 'PAYLOAD' : leader === words.init ? 'INIT' : 'OTHER',
    terminal: stat[4] ?? '',
    priority: `${stat[15]} nice ${stat[16]} policy ${stat[38]} realtime ${stat[37]}`,
    oom_score_adj: read(`/proc/${pid}/oom_score_adj`).trim(),
    personality: read(`${at}/personality`).trim(),
    uid_map: mapOf(`${at}/uid_map`, uid),
    gid_map: mapOf(`${at}/gid_map`, uid),
    setgroups: read(`/proc/${pid}/setgroups`).trim(),
    environ: names(read(`/proc/${pid}/environ`)),
    limits: limitsOf(`${at}/limits`, status['Seccomp'] !== '0'),
    namespaces: namespacesOf(at),
    descriptors: descriptorsOf(`/proc/${pid}/fd`),
    cgroups: cgroupsOf(`${at}/cgroup`, words.instance),
    cwd: readlinkSync(`${at}/cwd`),
    root: readlinkSync(`${at}/root`),
    mounts: mountsOf(`${at}/mountinfo`, { ...words.paths, [`id=${uid}`]: 'id=SLOT' }),
  };
}

/** What differs, a line each: more than is expected is a difference, too. */
export function comparePostures(expected: Posture, actual: Posture): string[] {
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].sort();
  return keys.flatMap((key) => {
    const [before, after] = [listOf(expected[key]), listOf(actual[key])];
    return [
      ...missingFrom(after, before).map((line) => `${key}: lacks ${line}`),
      ...missingFrom(before, after).map((line) => `${key}: has ${line}`),
    ];
  });
}

function listOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat();
}

/** The lines of `wanted` that `lines` has not, or not as often. */
function missingFrom(lines: string[], wanted: string[]): string[] {
  const left = [...lines];
  return wanted.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function wordOf(name: string, value: string, uid: string): string {
  if (name === 'Uid' || name === 'Gid') return value.replaceAll(uid, 'SLOT').replaceAll('\t', ' ');
  // By namespace, from ours inwards: only whether it is the first one counts.
  if (name === 'NSpid') return value.replaceAll(/\b(?!1\b)\d+/g, 'N').replaceAll('\t', ' ');
  if (name === 'SigIgn') return BigInt(`0x${value}`).toString(16);
  if (name.startsWith('Cap') && value === ALL_CAPABILITIES) return 'ALL';
  return value;
}

const ALL_CAPABILITIES = ((1n << (BigInt(read('/proc/sys/kernel/cap_last_cap').trim()) + 1n)) - 1n)
  .toString(16)
  .padStart(16, '0');

function mapOf(path: string, uid: string): string[] {
  return lines(path).map((line) =>
    line
      .trim()
      .split(/\s+/)
      .map((word) => (word === uid ? 'SLOT' : word))
      .join(' '),
  );
}

function limitsOf(path: string, isPayload: boolean): string[] {
  const own = lines('/proc/self/limits');
  return lines(path)
    .slice(1)
    .map((line) => {
      const [name = '', soft, hard] = line.split(/\s{2,}/);
      const isHosts = own.includes(line) && !(isPayload && OWN_LIMITS.test(name));
      return `${name}: ${isHosts ? 'HOST' : `${soft} ${hard}`}`;
    });
}

/** Which namespaces are not ours. */
function namespacesOf(at: string): string[] {
  const own = (name: string) => readlinkSync(`/proc/self/ns/${name}`);
  return readdirSync(`${at}/ns`)
    .filter((name) => readlinkSync(`${at}/ns/${name}`) !== own(name))
    .sort();
}

/** The standard streams by their numbers; those above are ours and stand as `+`. */
function descriptorsOf(directory: string): string[] {
  return readdirSync(directory)
    .map((number) => {
      const target = readlinkSync(`${directory}/${number}`).replace(/\[\d+\]$/, '');
      const flags = /^flags:\s*(\d+)/m.exec(read(`${directory}info/${number}`))?.[1];
      return `${Number(number) < 3 ? number : '+'} ${target} ${flags}`;
    })
    .sort();
}

/** Which of what a job's limits need isn't in a leaf of this instance; all of them are in one directory on v2. */
function cgroupsOf(path: string, instance: string): string[] {
  const leaves = lines(path).filter((line) => line.includes(`/bullpen/${instance}/`));
  const held = leaves.flatMap((line) => line.split(':')[1]?.split(',') ?? []);
  return ['memory', 'pids', 'cpu'].map(
    (name) => `${name} ${held.includes(name) || held.includes('') ? 'LEAF' : 'OUTSIDE'}`,
  );
}

/** Where, with which options, what. Of the host's own file systems only that they are its own. */
function mountsOf(path: string, paths: Record<string, string>): string[] {
  return lines(path).map((line) => {
    const [, , , root = '', point = '', options = '', ...rest] = line.split(' ');
    const end = rest.indexOf('-');
    const peers = rest.slice(0, end).map((word) => word.split(':')[0] ?? '');
    const [type = '', source = '', more = ''] = rest.slice(end + 1);
    const flags = options.split(',').filter((flag) => !/atime$/.test(flag));
    const isOurs = type === 'tmpfs' || type === 'proc';
    const what = isOurs
      ? [type, source, root, more]
      : type === 'devtmpfs'
        ? [type, root]
        : ['HOST', root.endsWith(point) ? 'SAME' : root];
    return named([point, ...peers, flags.join(), ...what].join(' '), paths);
  });
}

function named(text: string, paths: Record<string, string>): string {
  return Object.entries(paths).reduce((line, [path, name]) => line.replaceAll(path, name), text);
}

function names(environ: string): string[] {
  return environ
    .split('\0')
    .filter(Boolean)
    .map((entry) => entry.split('=')[0] ?? '')
    .sort();
}

function lines(path: string): string[] {
  return read(path).trim().split('\n').filter(Boolean);
}

function read(path: string): string {
  return readFileSync(path, 'utf8');
}
