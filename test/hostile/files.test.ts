import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bare, HostilePen, MIB, PROGRAMS, readProgram } from './harness.ts';

/** Group A: no way out of the file system. */
let pen: HostilePen;
beforeAll(async () => {
  pen = await HostilePen.open();
});
afterAll(async () => expect(await pen.close()).toEqual([]));

const FORKSERVER = fileURLToPath(new URL('../../native/bin/bullpen-forkserver', import.meta.url));
const all = (answers: object, value: unknown) => Object.fromEntries(Object.keys(answers).map((key) => [key, value]));
const shaOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const probe = (name: string, given: object = {}, more: object = {}) => pen.probe('files.py', name, given, more);
const control = (as: Parameters<typeof bare>[0], name: string, given: object = {}) => bare(as, 'files.py', name, given);

describe('A: file system', () => {
  it('A01 what lies on the host is not there', async () => {
    const { rootOnly, worldReadable } = pen.canaries.targets;
    const given = { rootOnly, worldReadable, source: PROGRAMS, shadow: '/etc/shadow', runDir: pen.runDir };
    const outside = await control('root', 'a01', given);
    expect(outside).toEqual(all(outside, 'ok'));
    expect(await probe('a01', given)).toEqual(all(outside, 'ENOENT'));
  });

  it('A02 no root or working directory in /proc leads to the host', async () => {
    expect(await control('root', 'a02', pen.canaries.targets)).toMatchObject({ canary: true });
    expect(await probe('a02', pen.canaries.targets)).toEqual({ canary: false, init: 'ENOENT' });
  });

  it('A03 chroot is refused', async () => {
    expect(await control('root', 'a03')).toEqual({ chroot: 'ok' });
    expect(await probe('a03')).toEqual({ chroot: 'EPERM' });
  });

  it('A04 no descriptor came along, and none can be asked for as working directory', async () => {
    const outside = await control('root', 'a04', { ...pen.canaries.targets, hold: '/usr' });
    expect(outside['entered']).toEqual([[3, '/']]);
    expect(await probe('a04', pen.canaries.targets)).toEqual({ entered: [], cwd: '/' });
    for (const cwd of ['/proc/self/fd/7', '/proc', '/dev/fd/7', '/sys', '/work/../proc/self/fd/7']) {
      const { outcome } = await pen.run({ runtime: 'bash', source: 'pwd', cwd });
      expect(outcome, cwd).toMatchObject({ kind: 'rejected', field: 'cwd', rule: 'path' });
    }
  });

  it('A05 no file is opened by its handle', async () => {
    expect(await control('root', 'a05')).toEqual({ name: 'ok', open: 'ok' });
    expect(await probe('a05')).toEqual({ name: 'EPERM', open: 'EPERM' });
  });

  it('A06 no device can be made', async () => {
    expect(await control('root', 'a06')).toMatchObject({ block: 'ok', char: 'ok' });
    expect(await probe('a06')).toEqual({
      block: 'EPERM',
      char: 'EPERM',
      'open block': 'ENOENT',
      'open char': 'ENOENT',
    });
  });

  it('A08 what is read-only stays so', async () => {
    const outside = await control('root-apart', 'a08');
    expect(outside).toMatchObject({ 'remount /': 'ok', 'setattr /': 'ok' });
    expect(await probe('a08')).toEqual(all(outside, 'EPERM'));
    const before = statSync('/usr/bin/env');
    expect(await probe('a08_write')).toEqual({
      '/usr/bin/hostile': 'EROFS',
      '/etc/hostile': 'EROFS',
      '/hostile': 'EROFS',
      '/usr/bin/python3': 'EACCES',
      '/dev/hostile': 'EROFS',
      unlink: 'EROFS',
      chmod: 'EROFS',
      rename: 'EROFS',
      utime: 'EROFS',
    });
    expect(statSync('/usr/bin/env')).toEqual(before);
  });

  it('A09 nothing can be unmounted', async () => {
    expect(await control('root-apart', 'a09_control')).toEqual({ plain: 'ok', lazy: 'ok', force: 'ok' });
    const answers = await probe('a09');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('A12 no program of ours can be reached, let alone changed', async () => {
    const before = shaOf(FORKSERVER);
    expect(await probe('a12')).toEqual({
      'write /proc/1/exe': 'ENOENT',
      'write /proc/self/exe': 'EACCES',
      'read /proc/1/exe': 'ENOENT',
    });
    const script = { path: 'x', text: '#!/proc/self/exe\n', executable: true };
    for (const command of ['/proc/self/exe', '/proc/1/exe', './x', '/proc/self/fd/3', '/proc/self/fd/4']) {
      const { outcome, stderr } = await pen.run({ runtime: 'bash', command: [command], files: [script] });
      expect(outcome, `${command}: ${stderr?.text}`).toMatchObject({ kind: 'exited', exec: expect.any(String) });
    }
    expect(shaOf(FORKSERVER)).toBe(before);
  });

  it('A13 programs of its own run in its own confinement', async () => {
    const answers = await probe('a13');
    expect(answers).toEqual(all(answers, 'ok'));
  });

  it('A14 a chain of 20,000 directories is gone in time', async () => {
    const job = { runtime: 'c', source: readProgram('deep.c'), artifacts: ['**'] };
    const limits = { inodes: 30_000, wallTimeMs: 4_000 };
    const { outcome, artifacts } = await pen.run({ ...job, limits });
    expect(['exited', 'disk-exceeded', 'wall-time-exceeded']).toContain(outcome.kind);
    expect(artifacts.some((one) => 'rejected' in one && one.rejected === 'too-deep')).toBe(true);
    const began = Date.now();
    expect((await pen.run({ runtime: 'bash', source: 'true' })).outcome.kind).toBe('exited');
    expect(Date.now() - began).toBeLessThan(5_000);
  }, 30_000);

  it('A16 a root file system of its own is no field of a job', async () => {
    for (const field of ['rootfs', 'image', 'rootFilesystem']) {
      const { outcome } = await pen.run({ runtime: 'bash', source: 'true', [field]: '/' });
      expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
    }
  });

  it('A17 the marks of overlays can not be set', async () => {
    expect(await control('root', 'a17')).toMatchObject({ whiteout: 'ok' });
    expect(await probe('a17')).toEqual({ whiteout: 'EPERM', opaque: 'ENOTSUP', user: 'ENOTSUP' });
  });

  it('A18 the new mount calls are refused', async () => {
    expect(await control('root-apart', 'a18')).toMatchObject({ fsopen: 'ok', open_tree: 'ok' });
    const answers = await probe('a18');
    expect(answers).toEqual(all(answers, 'EPERM'));
  });

  it('A19 disk and inode limits hold to the byte, inputs included', async () => {
    const source = 'import os\nn = 0\ntry:\n  while True:\n    os.mknod(str(n)); n += 1\nexcept OSError: print(n)';
    const inodes = await pen.run({ source, limits: { inodes: 100 } });
    expect([inodes.stdout?.text, inodes.limitsHit]).toEqual(['99\n', ['inodes']]);
    expect((await pen.run({ source, limits: { inodes: 200 } })).stdout?.text).toBe('199\n');
    const fill =
      'f = open("x", "wb", 0)\nn = 0\ntry:\n  while True: n += f.write(bytes(4096))\nexcept OSError: print(n)';
    const disk = await pen.run({ source: fill, limits: { diskBytes: MIB } });
    expect([disk.stdout?.text, disk.limitsHit]).toEqual([`${MIB - 4096}\n`, ['diskBytes']]);
  });
});
