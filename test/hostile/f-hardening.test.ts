import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F27 hardening can not be undone', async () => {
  const outside = await onHost('root', 'f27-hardening.py');
  // Strict mode of seccomp, once on, kills for the next call.
  expect(outside).toMatchObject({ securebits: 'ok', seccomp: '1009' });
  expect(outside['speculation']).not.toBe('EPERM');
  const answers = await pen.ask('f27-hardening.py');
  expect(answers).toEqual(every(answers, 'EPERM'));
});
