// What a figure belongs to: the machine, its kernel and how busy it was.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export function describeMachine(): Record<string, string | number> {
  const cgroup =
    readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .filter((line) => line !== '').length > 1
      ? 'v1 hybrid'
      : 'v2';
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    cgroup,
    node: process.version,
    python: firstLine('/usr/bin/python3', '--version'),
    bubblewrap: firstLine('/usr/bin/bwrap', '--version'),
  };
}

/** Load average of the last minute. */
export function load(): number {
  return loadavg()[0] ?? 0;
}

function firstLine(program: string, argument: string): string {
  return execFileSync(program, [argument], { encoding: 'utf8' }).split('\n')[0] ?? '';
}
