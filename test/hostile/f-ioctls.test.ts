import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F24 no control of devices, whatever the upper bits say', async () => {
  const outside = await onHost('nobody', 'f24-ioctls.py', { terminal: true });
  expect(Object.values(outside).filter((answer) => answer !== 'ENOTTY').length).toBeGreaterThan(3);
  const answers = await pen.ask('f24-ioctls.py');
  expect(answers).toEqual(every(answers, 'ENOTTY'));
});
