import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('H20 nothing of the host is used up', async () => {
  expect(await onHost('root', 'h20-host-counters.py')).toEqual({ inotify: 'ok', ptmx: 'ok', random: 'ok' });
  expect(await pen.ask('h20-host-counters.py')).toEqual({ inotify: 'ENOSYS', ptmx: 'ENOENT', random: 'ok' });
});
