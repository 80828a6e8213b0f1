import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F22 every thread is filtered', async () => {
  expect(await onHost('nobody', 'f22-threads.py')).toEqual({ tasks: 21, confined: 0 });
  expect(await pen.ask('f22-threads.py')).toEqual({ tasks: 21, confined: 21 });
});
