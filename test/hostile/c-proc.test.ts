import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

/** /proc shows a program its own processes, and nothing of the kernel or the host. */
const pen = await HostilePen.ofFile();

it('C01 only its own processes are there', async () => {
  const outside = await onHost('nobody', 'c01-processes.py', pen.canaries.targets);
  expect(outside).toMatchObject({ own: false, victim: true, init: 'ok' });
  expect(await pen.ask('c01-processes.py', pen.canaries.targets)).toEqual({
    own: true,
    victim: false,
    entries: ['self', 'thread-self'],
    init: 'ENOENT',
  });
});

it('C02 nothing of the kernel is there', async () => {
  const outside = await onHost('root', 'c02-kernel-files.py');
  expect(keysWith(outside, 'ok').length).toBeGreaterThan(5);
  expect(await pen.ask('c02-kernel-files.py')).toEqual(every(outside, 'ENOENT'));
});

it('C03 nothing in /proc can be written', async () => {
  const pattern = () => readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
  const before = pattern();
  const outside = await onHost('root', 'c03-writes.py');
  expect(outside).toMatchObject({ 'sys/kernel/core_pattern': 'ok', 'sys/vm/drop_caches': 'ok', 'self/mem': 'ok' });
  expect(keysWith(outside, 'ok').length).toBeGreaterThan(10);
  const inside = await pen.ask('c03-writes.py');
  for (const [name, answer] of Object.entries(inside)) expect(['ENOENT', 'EROFS', 'EACCES'], name).toContain(answer);
  expect(pattern()).toBe(before);
});

it('C04 its own entries name nothing of the host', async () => {
  const hostly = [pen.runDir, pen.lease.instance, 'bullpen-forkserver', 'hostile-run', pen.canaries.secret];
  const outside = JSON.stringify(await onHost('nobody', 'c04-own-entries.py'));
  expect(outside).toContain(pen.canaries.secret);
  const inside = await pen.ask('c04-own-entries.py');
  for (const word of hostly) expect(JSON.stringify(inside).includes(word), word).toBe(false);
  const groups = String(inside['cgroup']).trim().split('\n');
  expect(groups.filter((line) => !line.endsWith(':/'))).toEqual([]);
});

it('C11 what is left to see is its own, or known', async () => {
  const outside = await onHost('root', 'c11-machine.py');
  expect(keysWith(outside, 'ok').length).toBeGreaterThan(8);
  expect(outside['hostname']).not.toBe('bullpen');
  expect(outside['interfaces']).not.toEqual(['lo']);
  const { hostname, sockets, interfaces, ...files } = await pen.ask('c11-machine.py');
  expect([hostname, sockets, interfaces]).toEqual(['bullpen', 0, ['lo']]);
  expect(files).toEqual(every(files, 'ENOENT'));
});

it('C12 physical addresses are hidden', async () => {
  expect((await onHost('root', 'c12-frames.py'))['frame']).not.toBe(0);
  const { frame, ...files } = await pen.ask('c12-frames.py');
  expect([0, 'EPERM', 'EACCES']).toContain(frame);
  expect(files).toEqual(every(files, 'ENOENT'));
});
