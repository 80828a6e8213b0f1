import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F19 no pages of shared files in pipes', async () => {
  const copies = { sendfile: 'ok', 'python copies': 'ok' };
  const outside = await onHost('nobody', 'f19-splice.py');
  expect(outside).toEqual({ splice: 'ok', tee: 'ok', vmsplice: 'ok', ...copies });
  const refused = { splice: 'EPERM', tee: 'EPERM', vmsplice: 'EPERM' };
  expect(await pen.ask('f19-splice.py')).toEqual({ ...refused, ...copies, sendfile: 'EINVAL' });
});
