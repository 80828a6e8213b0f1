import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const MOST = 3_000;

it('H06 what the kernel keeps for a process is bounded', async () => {
  const outside = (await onHost('root', 'h06-kernel-objects.py')) as Record<string, [number, string]>;
  for (const name of ['timers', 'signals', 'keys']) expect(outside[name]?.[0], name).toBeGreaterThan(100);
  const answers = (await pen.ask('h06-kernel-objects.py')) as Record<string, [number, string]>;
  const refusals = { timers: 'EAGAIN', signals: 'EAGAIN', epoll: 'EMFILE', timerfd: 'EMFILE', eventfd: 'EMFILE' };
  for (const [name, errno] of Object.entries(refusals)) {
    expect(answers[name]?.[1], name).toBe(errno);
    expect(answers[name]?.[0], name).toBeLessThan(MOST);
  }
  expect([answers['keys'], answers['queues']]).toEqual([
    [0, 'EPERM'],
    [0, 'ENOSYS'],
  ]);
});

it('H06 names are remembered within the memory and the inodes of the job', async () => {
  const most = { most: 5_000 };
  expect(await pen.ask('h06-names.py', most, { limits: { inodes: 10_000 } })).toEqual({ made: 5_000 });
  const full = await pen.ask('h06-names.py', most, { limits: { inodes: 2_000 } });
  expect(full).toEqual({ made: expect.any(Number), errno: 28 });
  expect(full['made']).toBeLessThan(2_000);
});
