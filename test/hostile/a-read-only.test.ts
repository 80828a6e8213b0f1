import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

/** What all jobs share can't be changed, and the mounts that keep it so can't either. */
const pen = await HostilePen.ofFile();
const copy = mkdtempSync(join(tmpdir(), 'bullpen-hostile-root-'));
afterAll(() => rmSync(copy, { recursive: true }));

it('A08 what is mounted read-only stays so', async () => {
  const outside = await onHost('root-apart', 'a08-remount.py');
  expect(outside).toMatchObject({ 'remount /': 'ok', 'setattr /': 'ok' });
  expect(await pen.ask('a08-remount.py')).toEqual(every(outside, 'EPERM'));
});

it('A08 what is read-only is not written', async () => {
  for (const directory of ['usr/bin', 'etc', 'dev']) mkdirSync(join(copy, directory), { recursive: true });
  for (const name of ['env', 'python3']) copyFileSync(`/usr/bin/${name}`, join(copy, 'usr/bin', name));
  const outside = await onHost('root', 'a08-write.py', { root: copy });
  expect(outside).toEqual(every(outside, 'ok'));
  const before = statSync('/usr/bin/env');
  expect(await pen.ask('a08-write.py', { root: '' })).toEqual({
    ...every(outside, 'EROFS'),
    '/usr/bin/python3': 'EACCES',
  });
  expect(statSync('/usr/bin/env')).toEqual(before);
});

it('A09 nothing can be unmounted', async () => {
  const outside = await onHost('root-apart', 'a09-unmount.py', { cover: true });
  expect(Object.keys(outside)).toHaveLength(12);
  expect(outside).toEqual(every(outside, 'ok'));
  const inside = await pen.ask('a09-unmount.py');
  expect(Object.keys(inside)).toHaveLength(21);
  expect(inside).toEqual(every(inside, 'EPERM'));
});

it('A18 the mount calls by descriptor are refused', async () => {
  const outside = await onHost('root-apart', 'a18-mount-calls.py');
  expect(outside).toEqual(every(outside, 'ok'));
  expect(await pen.ask('a18-mount-calls.py')).toEqual(every(outside, 'EPERM'));
});
