import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F05 no key is added, asked for or searched', async () => {
  const outside = await onHost('nobody', 'f05-keys.py');
  expect(outside).toEqual({ add_key: 'ok', request_key: 'ok', 'session ring': 'ok', search: 'ok' });
  const answers = await pen.ask('f05-keys.py');
  expect(answers).toEqual(every(answers, 'EPERM'));
});
