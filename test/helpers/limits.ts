// Every limit of a policy as a job that runs into it, and what must come of it where the limit is kept: by control groups, or by
// what the operator accepts in their place.

import { expect } from 'vitest';
import type { Job, Result } from '../../schemas/types.ts';

/** What keeps limits of memory, processes and CPU: control groups of a version, or what stands in for them. */
export type KeptBy = 'v1' | 'v2' | 'substitutes';

type Expected = Record<string, unknown>;

interface Case {
  limit: string;
  job: Job;
  /** A part of the result, where control groups keep the limit. */
  kept: Expected;
  /** Where it differs with substitutes. */
  substituted?: Expected;
}

const MIB = 1 << 20;
const forks =
  'my $n = 1; for (1..9) { my $p = fork; last unless defined $p; do { sleep 20; exit } unless $p; $n++ } print $n';
const files = 'my @open; for (1..99) { open(my $f, "<", "/dev/null") or last; push @open, $f } print $#open < 16';
const busy = 'do { ($u, $s) = times } while $u + $s < 0.2';

/** One for each field of `policy.limits`. */
export const LIMITS: Case[] = [
  ended('wallTimeMs', 500, 'sleep 30', 'wall-time-exceeded'),
  ended('cpuTimeMs', 300, '1 while 1', 'cpu-time-exceeded'),
  ended('memoryBytes', 48 * MIB, '$x = "a" x (96 << 20); sleep 20', 'memory-exceeded'),
  {
    // What refuses a process without a control group doesn't count how often.
    ...exited('processes', 4, forks, { stdout: { text: '4' }, limitsHit: ['processes'] }),
    substituted: { stdout: { text: '4' }, limitsHit: [] },
  },
  {
    // 0.2 s of CPU time at a tenth of a CPU take a second and a half at least, however busy the machine is.
    ...exited('cpuMillis', 100, busy, { usage: { wallTimeUs: atLeast(1_200_000) } }),
    // It isn't kept: the layer's value says so, below.
    substituted: {},
  },
  ended('outputBytes', 1000, 'print "y" x 100 while 1', 'output-exceeded'),
  ended('diskBytes', MIB, 'open(F, ">", "f"); print F "x" x (4 << 20); close F or exit 1', 'disk-exceeded'),
  ended('inodes', 20, 'for (1..99) { open(F, ">", "f$_") or exit 1 }', 'disk-exceeded'),
  exited('openFiles', 16, files, { stdout: { text: '1' } }),
  collected('artifacts', 1, 'for (1..3) { open(F, ">", "f$_") }'),
  collected('artifactBytes', 10, 'open(F, ">", "f"); print F "x" x 99'),
];

/** Does the result say what it must, of what the program did and of what kept it? */
export function expectKept({ kept, substituted }: Case, result: Result | undefined, by: KeptBy): void {
  const value = (substitute: string) => (by === 'substitutes' ? substitute : by);
  expect(result).toMatchObject(by === 'substitutes' ? (substituted ?? kept) : kept);
  expect(result?.sandbox?.layers).toEqual(
    expect.arrayContaining([
      { layer: 'cgroup-memory', value: value('polling') },
      { layer: 'cgroup-pids', value: value('rlimit') },
      { layer: 'cgroup-cpu', value: value('polling') },
    ]),
  );
}

/** What refuses a job on a host where nothing keeps its limits. */
export function expectRefused(result: Result | undefined, layer: string): void {
  expect(result).toMatchObject({ outcome: { kind: 'unavailable', layer }, attribution: 'system', rewardSafe: false });
}

function ended(limit: string, value: number, script: string, kind: string): Case {
  return { limit, job: job(limit, value, script), kept: { outcome: { kind } } };
}

function exited(limit: string, value: number, script: string, more: Expected): Case {
  return { limit, job: job(limit, value, script), kept: { outcome: { kind: 'exited', exitCode: 0 }, ...more } };
}

function collected(limit: string, value: number, script: string): Case {
  const one = exited(limit, value, script, { artifactsTruncated: true });
  return { ...one, job: { ...one.job, artifacts: ['f*'] } };
}

function job(limit: string, value: number, script: string): Job {
  const command = ['perl', '-e', script] as [string, ...string[]];
  const policy = { version: 1 as const, limits: { [limit]: value } };
  return { kind: 'job', version: 1, runtime: 'bash', command, policy };
}

function atLeast(least: number): unknown {
  return expect.toSatisfy((value: number) => value >= least, `at least ${least}`);
}
