import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

/** There is no /sys, and no control group in reach. */
const pen = await HostilePen.ofFile();

it('C06 no control group can be reached', async () => {
  const outside = await onHost('root-apart', 'c06-cgroups.py');
  expect(keysWith(outside, 'ok').length).toBeGreaterThan(2);
  expect(outside['mount cgroup2']).toBe('ok');
  const inside = await pen.ask('c06-cgroups.py');
  expect(inside).toEqual({ ...every(outside, 'ENOENT'), 'mount cgroup': 'EPERM', 'mount cgroup2': 'EPERM' });
});

it('C07 there is no /sys', async () => {
  const outside = await onHost('root', 'c07-sys.py');
  expect(keysWith(outside, 'ok').length).toBeGreaterThan(2);
  expect(await pen.ask('c07-sys.py')).toEqual(every(outside, 'ENOENT'));
});
