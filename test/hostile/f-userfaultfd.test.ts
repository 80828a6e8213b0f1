import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F03 no page faults of its own', async () => {
  expect(await onHost('root', 'f03-userfaultfd.py')).toMatchObject({ userfaultfd: 'ok' });
  expect(await pen.ask('f03-userfaultfd.py')).toEqual({ userfaultfd: 'EPERM', device: 'ENOENT' });
});
