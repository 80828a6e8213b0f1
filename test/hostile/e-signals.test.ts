import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stateOf } from './canaries.ts';
import { every, HostilePen, onHost, PROGRAMS } from './harness.ts';

/** A job signals its own processes, and nobody else's. */
const pen = await HostilePen.ofFile();
const others = () => ({ ...pen.canaries.targets, neighbour: pen.neighbour });

it('E01 nobody else can be seen or signalled', async () => {
  const outside = await onHost('root', 'e01-kill.py', others());
  expect(outside).toMatchObject({ victim: 'ok', neighbour: 'ok' });
  expect(await pen.ask('e01-kill.py', others())).toEqual({ seen: [-1], victim: 'ESRCH', neighbour: 'ESRCH' });
  const { outcome } = await pen.run({ runtime: 'bash', source: 'kill -9 -1; exit 5' });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 5 });
  expect(await pen.touched()).toEqual([]);
});

it("E02 the sandbox's first process can be neither signalled nor slowed", async () => {
  const other = spawn('/usr/bin/python3', [join(PROGRAMS, 'e11-deaf.py')]);
  await once(other.stdout, 'data');
  const outside = await onHost('root', 'e02-init.py', { pid: other.pid, spare: [9, 19, 32, 33] });
  other.kill('SIGKILL');
  expect(outside).toEqual(every(outside, 'ok'));
  const inside = await pen.ask('e02-init.py');
  expect(Object.keys(inside)).toHaveLength(68);
  expect(inside).toEqual(every(inside, 'EPERM'));
});

it('E02 a job that stops its watcher is over at its wall time', async () => {
  const { outcome } = await pen.attack('e02-stop.py', { limits: { wallTimeMs: 300 } });
  expect(outcome.kind).toBe('wall-time-exceeded');
  // The control: on the host the watcher stops.
  const watcher = spawn('/usr/bin/python3', ['-c', WATCHER], { stdio: 'ignore' });
  for (let left = 200; stateOf(watcher.pid ?? 0) !== 'T' && left > 0; left -= 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(stateOf(watcher.pid ?? 0)).toBe('T');
  watcher.kill('SIGKILL');
});
const WATCHER =
  'import os, signal\nif os.fork() == 0: os.kill(os.getppid(), signal.SIGSTOP)\nelse: os.wait(), signal.pause()';

it('E20 a signal that a program sends itself is a signal', async () => {
  for (const signal of ['XFSZ', 'XCPU', 'SYS', 'KILL', 'ABRT']) {
    const { outcome } = await pen.run({ runtime: 'bash', source: `kill -${signal} $$` });
    expect(outcome, signal).toMatchObject({ kind: 'signaled', signal: `SIG${signal}` });
  }
});
