import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F23 nothing of System V, no queues', async () => {
  const outside = await onHost('root-apart', 'f23-system-v.py');
  expect(outside).toMatchObject({ shmget: 'ok', semget: 'ok', msgget: 'ok' });
  const answers = await pen.ask('f23-system-v.py');
  expect(answers).toEqual(every(answers, 'ENOSYS'));
});
