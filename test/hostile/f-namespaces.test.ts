import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F06 no namespace of any kind, whatever the upper bits say', async () => {
  expect(keysWith(await onHost('root', 'f06-namespaces.py'), 'ok').length).toBeGreaterThanOrEqual(21);
  const answers = await pen.ask('f06-namespaces.py');
  expect(answers).toEqual({ ...every(answers, 'EPERM'), 'clone3 null': 'ENOSYS', setns: answers['setns'] });
  expect(['EPERM', 'EACCES', 'ENOENT']).toContain(answers['setns']);
});

it('F06 the compatible profile allows none either', async () => {
  expect(keysWith(await pen.ask('f06-namespaces.py', {}, { policy: { syscalls: 'compatible' } }), 'ok')).toEqual([]);
});

it('F06 processes and threads are made as ever', async () => {
  const answers = await pen.ask('f06-new-processes.py');
  expect(answers).toEqual({ fork: 'ok', clone: 'ok', thread: 'ok', posix_spawn: 'ok' });
});
