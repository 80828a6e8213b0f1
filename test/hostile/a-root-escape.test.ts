import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

/** No way out of the sandbox's root. */
const pen = await HostilePen.ofFile();

it('A03 chroot is refused', async () => {
  expect(await onHost('root', 'a03-chroot.py')).toEqual({ chroot: 'ok' });
  expect(await pen.ask('a03-chroot.py')).toEqual({ chroot: 'EPERM' });
});

it('A04 no descriptor came along', async () => {
  const outside = await onHost('root', 'a04-descriptors.py', { ...pen.canaries.targets, hold: '/usr' });
  expect(outside['entered']).toEqual([[3, '/']]);
  expect(await pen.ask('a04-descriptors.py', pen.canaries.targets)).toEqual({ entered: [], cwd: '/' });
});

it('A04 no descriptor can be asked for as working directory', async () => {
  for (const cwd of ['/proc/self/fd/7', '/proc', '/dev/fd/7', '/sys', '/work/../proc/self/fd/7']) {
    const { outcome } = await pen.run({ runtime: 'bash', source: 'pwd', cwd });
    expect(outcome, cwd).toMatchObject({ kind: 'rejected', field: 'cwd', rule: 'path' });
  }
  const { stdout } = await pen.run({ runtime: 'bash', command: ['/bin/bash', '-c', 'pwd'], cwd: '/tmp' });
  expect(stdout?.text).toBe('/tmp\n');
});

it('A05 no file is opened by its handle', async () => {
  expect(await onHost('root', 'a05-handles.py')).toEqual({ name: 'ok', open: 'ok' });
  expect(await pen.ask('a05-handles.py')).toEqual({ name: 'EPERM', open: 'EPERM' });
});

it('A16 a root file system of its own is no field of a job', async () => {
  const job = { runtime: 'bash', source: 'true' };
  for (const field of ['rootfs', 'image', 'rootFilesystem']) {
    const { outcome, sandbox } = await pen.run({ ...job, [field]: '/' });
    expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
    expect(sandbox).toBeUndefined();
  }
  expect((await pen.run(job)).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
