import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

/** No node of the job's own that is more than a file. */
const pen = await HostilePen.ofFile();

it('A06 no device can be made', async () => {
  expect(await onHost('root', 'a06-devices.py')).toMatchObject({ block: 'ok', char: 'ok' });
  expect(await pen.ask('a06-devices.py')).toEqual({
    block: 'EPERM',
    char: 'EPERM',
    'open block': 'ENOENT',
    'open char': 'ENOENT',
  });
});

it('A17 the marks of overlays can not be set', async () => {
  const outside = await onHost('root', 'a17-overlay-marks.py');
  expect(outside).toEqual(every(outside, 'ok'));
  expect(await pen.ask('a17-overlay-marks.py')).toEqual({ whiteout: 'EPERM', opaque: 'ENOTSUP', user: 'ENOTSUP' });
});
