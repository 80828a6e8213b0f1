import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const SIGABRT = '1006';
/** A handler behind a pipe would be started by the kernel for every crash that may leave a core. */
const pattern = () => readFileSync('/proc/sys/kernel/core_pattern', 'utf8');

it('H14 a crash leaves no core, and wakes no handler', async () => {
  const before = pattern();
  // Where the pattern is a name, the same crash leaves one file on the host.
  const outside = await onHost('nobody', 'h14-crash.py', { megabytes: 1 });
  expect(outside).toEqual({ crash: SIGABRT, cores: /^[^|/]/.test(before) ? 1 : 0 });
  const root = readdirSync('/');
  expect(await pen.ask('h14-crash.py', { megabytes: 32 })).toEqual({ crash: SIGABRT, cores: 0 });
  expect([readdirSync('/'), pattern()]).toEqual([root, before]);
});

it('H14 nor does that of the main program', async () => {
  const crash = { source: 'import os\nos.abort()', artifacts: ['core*', '**/core*'] };
  const { outcome, artifacts } = await pen.run(crash);
  expect([outcome, artifacts]).toEqual([{ kind: 'signaled', signal: 'SIGABRT', phase: 'run' }, []]);
});

it('H14 the limit of a core is one byte, of those the kernel starts no handler for, and stays so', async () => {
  const lower = [
    'import resource',
    'try: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))',
    'except ValueError: print("refused", end=" ")',
    'print(*resource.getrlimit(resource.RLIMIT_CORE))',
  ].join('\n');
  const outside = spawnSync('prlimit', ['--core=1', '/usr/bin/python3', '-c', lower], { encoding: 'utf8' });
  expect(outside.stdout).toBe('0 0\n');
  for (const syscalls of ['strict', 'compatible']) {
    const inside = await pen.run({ source: lower, policy: { syscalls } });
    expect(inside.stdout?.text, syscalls).toBe('refused 1 1\n');
  }
});
