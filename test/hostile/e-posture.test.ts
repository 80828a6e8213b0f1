import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { tasksOf, untilNoGuests } from './guests.ts';
import { HostilePen, jobOf } from './harness.ts';

/** How each task of a sandbox stands, seen from outside. */
const pen = await HostilePen.ofFile();

it('E21 each task of a sandbox is confined', async () => {
  const execution = pen.start(jobOf('e21-threads.py'));
  for (let left = 400; tasksOf(pen).length < 7 && left > 0; left -= 1) await sleep(20);
  const tasks = tasksOf(pen);
  expect(tasks.map(({ name }) => name)).toEqual(Array(7).fill('python3'));
  for (const { status } of tasks) {
    expect(status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2', Seccomp_filters: '1', Groups: '' });
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status[set]).toBe('0000000000000000');
  }
  execution.kill('cancelled');
  expect((await execution.wait()).outcome).toEqual({ kind: 'cancelled', by: 'caller' });
  await untilNoGuests(pen, 1_000);
});
