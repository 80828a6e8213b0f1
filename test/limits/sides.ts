// Each limit from both sides: what must pass at it, and what must not beyond it.

import type { Job, Result } from '../../schemas/types.ts';
import { touching } from './guests.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PAGE = 4 * KIB;
const DISK = MIB;
const MEMORY = 32 * MIB;

type Fields = Partial<Omit<Job, 'policy'>> & { limits: Record<string, number | string> };

/** One job that is run often, and what each of its results must be. */
export interface Side {
  name: string;
  job: Fields;
  /** `null`, or what is wrong with a result. */
  judge(result: Result): string | null;
}

/** A job that is ended by a limit in time. */
export interface TimedSide extends Side {
  /** By how much the limit was overrun. Microseconds. */
  overrunUs(result: Result): number;
  /** The documented slack. */
  slackUs: number;
}

const shell = (script: string) => ({ command: ['/bin/bash', '-c', script] as [string, ...string[]] });
const perl = (script: string) => ({ command: ['/usr/bin/perl', '-e', script] as [string, ...string[]] });
const head = (bytes: number) => ({
  command: ['/usr/bin/head', '-c', `${bytes}`, '/dev/zero'] as [string, ...string[]],
});
const make = (files: number) => shell(`for ((i = 0; i < ${files}; i++)); do : > f$i || exit 1; done`);
const fork = (children: number) =>
  perl(`for (1..${children}) { $p = fork; exit 1 unless defined $p; if (!$p) { sleep 9; exit } }`);
const open = (files: number) => perl(`for (1..${files}) { open(my $f, '<', '/dev/null') or exit 1; push @f, $f }`);
const touch = (bytes: number) => ({ command: ['/work/touch'] as [string, ...string[]], files: [touching(bytes)] });

const passes = ({ outcome }: Result): string | null =>
  outcome.kind === 'exited' && outcome.exitCode === 0 ? null : JSON.stringify(outcome);
const ends =
  (kind: string) =>
  ({ outcome }: Result): string | null =>
    outcome.kind === kind ? null : JSON.stringify(outcome);
const fails = ({ outcome }: Result): string | null =>
  outcome.kind === 'exited' && outcome.exitCode === 1 ? null : JSON.stringify(outcome);

/** Limits of amounts: exactly so much passes and one more doesn't; memory, which the kernel charges in batches, within 4 MiB. */
export const SIDES: Side[] = [
  { name: 'outputBytes: n', job: { ...head(5_000), limits: { outputBytes: 5_000 } }, judge: passes },
  {
    name: 'outputBytes: n + 1',
    job: { ...head(5_001), limits: { outputBytes: 5_000 } },
    judge: ends('output-exceeded'),
  },
  {
    name: 'diskBytes: n',
    job: { ...shell(`head -c ${DISK} /dev/zero > a`), limits: { diskBytes: DISK } },
    judge: passes,
  },
  {
    name: 'diskBytes: n + 1',
    job: { ...shell(`head -c ${DISK + 1} /dev/zero > a`), limits: { diskBytes: DISK } },
    judge: ends('disk-exceeded'),
  },
  { name: 'inodes: n', job: { ...make(20), limits: { inodes: 20 } }, judge: passes },
  { name: 'inodes: n + 1', job: { ...make(21), limits: { inodes: 20 } }, judge: ends('disk-exceeded') },
  // Three are open already.
  { name: 'openFiles: n', job: { ...open(13), limits: { openFiles: 16 } }, judge: passes },
  { name: 'openFiles: n + 1', job: { ...open(14), limits: { openFiles: 16 } }, judge: fails },
  { name: 'processes: n', job: { ...fork(7), limits: { processes: 8 } }, judge: passes },
  { name: 'processes: n + 1', job: { ...fork(8), limits: { processes: 8 } }, judge: ends('processes-exceeded') },
  {
    name: 'memoryBytes: n - 4 MiB',
    job: { ...touch(MEMORY - 4 * MIB), limits: { memoryBytes: MEMORY } },
    judge: passes,
  },
  {
    name: 'memoryBytes: n + 4 KiB',
    job: { ...touch(MEMORY + PAGE), limits: { memoryBytes: MEMORY } },
    judge: ends('memory-exceeded'),
  },
];

const spin = 'while :; do :; done';
/** Burns CPU in children that are dead before the next begins. */
const relay = 'for (1..1000) { if (!fork) { do { ($u, $s) = times } while $u + $s < 0.02; exit } wait }';
const over = (used: number | undefined, limitMs: number) => (used ?? 0) - limitMs * 1_000;
const neverEarly = (kind: string, overrunUs: (result: Result) => number) => (result: Result) =>
  ends(kind)(result) ?? (overrunUs(result) < 0 ? `${-overrunUs(result)} us early` : null);

/** Limits in time. Never early; how late depends on the machine's load as well. */
export const TIMED: TimedSide[] = [
  timed('wallTimeMs', shell('exec sleep 9'), 200, 20_000),
  timed('cpuTimeMs', shell(spin), 200, 50_000),
  timed('cpuTimeMs of dead children', perl(relay), 200, 50_000),
];

function timed(name: string, program: { command: [string, ...string[]] }, limitMs: number, slackUs: number): TimedSide {
  const isWall = name === 'wallTimeMs';
  const overrunUs = ({ usage }: Result) => over(isWall ? usage?.wallTimeUs : usage?.cpuTimeUs, limitMs);
  const limits = { [isWall ? 'wallTimeMs' : 'cpuTimeMs']: limitMs, ...(isWall ? {} : { wallTimeMs: 60_000 }) };
  const judge = neverEarly(isWall ? 'wall-time-exceeded' : 'cpu-time-exceeded', overrunUs);
  return { name, job: { ...program, limits }, judge, overrunUs, slackUs };
}
