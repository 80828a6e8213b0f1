import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

/** The worker's keyring is nobody else's. */
const pen = await HostilePen.ofFile();

it('D07 no keyring can be used', async () => {
  const { secret, targets } = pen.canaries;
  const outside = await onHost('root', 'd07-keyring.py', targets);
  expect(outside).toEqual({ session: 'ok', search: secret, add: 'ok', request: 'ok' });
  expect(await pen.ask('d07-keyring.py', targets)).toEqual(every(outside, 'EPERM'));
  const compatible = await pen.ask('d07-keyring.py', targets, { policy: { syscalls: 'compatible' } });
  expect(compatible).toEqual(every(outside, 'EPERM'));
});
