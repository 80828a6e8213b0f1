import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

/** Nobody is told what others do with files that all share. */
const pen = await HostilePen.ofFile();

it('C15 what other jobs do with shared files can not be watched', async () => {
  const outside = await onHost('root', 'c15-watches.py');
  expect(outside).toEqual({ fanotify: 'ok', inotify: 'ok', dnotify: 'ok', lease: 'ok' });
  expect(outside).toEqual(every(outside, 'ok'));
  const refused = { fanotify: 'EPERM', inotify: 'ENOSYS', dnotify: 'EPERM', lease: 'EACCES' };
  expect(await pen.ask('c15-watches.py')).toEqual(refused);
  expect(await pen.ask('c15-watches.py', {}, { policy: { syscalls: 'compatible' } })).toEqual(refused);
});
