import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const SIGSYS = '1031';

it('F17 foreign numbers kill the whole process', async () => {
  const outside = await onHost('nobody', 'f17-foreign-numbers.py');
  expect(Object.values(outside)).not.toContain(SIGSYS);
  const { 'minus one': none, ...answers } = await pen.ask('f17-foreign-numbers.py');
  expect(none).toBe('ENOSYS');
  expect(answers).toEqual(every(answers, SIGSYS));
});
