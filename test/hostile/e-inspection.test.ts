import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

/** No process is looked into, and nobody gets a better place than others. */
const pen = await HostilePen.ofFile();

it('E03 other processes, its own too, can not be looked into', async () => {
  const outside = await onHost('root', 'e03-look-into.py');
  expect(keysWith(outside, 'ok')).toEqual(
    expect.arrayContaining(['readv', 'writev', 'kcmp', 'seize', 'traceme', 'getfd', 'mem']),
  );
  expect(outside['madvise']).not.toBe('EPERM');
  const { mem, ...calls } = await pen.ask('e03-look-into.py');
  expect(calls).toEqual(every(calls, 'EPERM'));
  expect(['EROFS', 'EACCES']).toContain(mem);
});

it('E04 no better place in the queue for a CPU or a disk', async () => {
  const outside = await onHost('root', 'e04-priority.py');
  expect(outside).toEqual({ nice: 'ok', fifo: 'ok', deadline: 'ok', ioprio: 'ok', cpu: 'EINVAL' });
  const inside = await pen.ask('e04-priority.py');
  expect(Object.keys(inside)).toEqual(Object.keys(outside));
  for (const [name, answer] of Object.entries(inside)) expect(['EPERM', 'EACCES', 'EINVAL'], name).toContain(answer);
});
