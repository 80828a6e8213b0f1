import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { stateOf } from './canaries.ts';
import { untilNoGuests } from './guests.ts';
import { HostilePen, MIB, onHost } from './harness.ts';
import { runOnHost } from './on-host.ts';

/** Whatever a job starts is dead when it is over. */
const pen = await HostilePen.ofFile();

it('E05 a daemon is dead with its job', async () => {
  const outside = (await onHost('nobody', 'e05-daemon.py'))['daemon'] as number;
  process.kill(outside, 'SIGTERM');
  await sleep(50);
  expect(stateOf(outside)).toBe('S');
  process.kill(outside, 'SIGKILL');
  expect(await pen.ask('e05-daemon.py')).toEqual({ daemon: expect.any(Number) });
  await untilNoGuests(pen, 1_000);
});

it('E06 the outcome is that of the main program; children are counted, and dead', async () => {
  const outside = await runOnHost('nobody', 'e06-orphans.py', { children: 3 });
  const { children } = JSON.parse(outside.stdout) as { children: number[] };
  expect([outside.code, children.map(stateOf)]).toEqual([3, ['R', 'R', 'R']]);
  for (const child of children) process.kill(child, 'SIGKILL');

  const limits = { wallTimeMs: 40_000, cpuTimeMs: 60_000, cpuMillis: 2_000, processes: 128 };
  const { outcome, usage } = await pen.attack('e06-orphans.py', { given: { children: 100 }, limits });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 3 });
  expect(usage?.processesPeak).toBe(101);
  await untilNoGuests(pen, 1_000);
});

it('E08 siblings and reapers confuse nobody', async () => {
  // The control: a parent that waits for anybody meets its child and fifty strangers.
  expect(await onHost('nobody', 'e08-siblings.py', { parent: true })).toEqual({ met: 51 });
  expect(await pen.ask('e08-siblings.py')).toEqual({ subreaper: 'ok', waited: 'ECHILD' });
  await untilNoGuests(pen, 1_000);
});

it('E08 a parent that waits for its vfork for ever is over at its wall time', async () => {
  const outside = await runOnHost('root-apart', 'e08-vfork.c', {}, 1_000);
  expect(outside.signal).toBe('SIGKILL');
  const { outcome } = await pen.attack('e08-vfork.c', { limits: { wallTimeMs: 300 } });
  expect(outcome).toEqual({ kind: 'wall-time-exceeded', phase: 'run' });
  await untilNoGuests(pen, 1_000);
});

it('E12 zombies count as processes', async () => {
  expect(await onHost('nobody', 'e12-zombies.py', { most: 200 })).toEqual({ made: 200 });
  const result = await pen.attack('e12-zombies.py', { given: { most: 50_000 } });
  expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  expect(JSON.parse(result.stdout?.text ?? '')).toEqual({ made: 63 });
  expect(result.limitsHit).toEqual(['processes']);
  await untilNoGuests(pen, 1_000);
});

it('E19 an end that takes the kernel long is still the end it was', async () => {
  const limits = { memoryBytes: 2_048 * MIB, cpuMillis: 8_000, cpuTimeMs: 60_000, wallTimeMs: 4_000 };
  const slow = pen.attack('e19-page-tables.c', { args: ['1000000'], limits });
  await sleep(3_200);
  // Neighbours take their share of the CPUs from the kernel's own work for a dying process, too.
  const spin = { runtime: 'bash', source: 'while :; do :; done', limits: { wallTimeMs: 30_000, cpuTimeMs: 30_000 } };
  const neighbours = Array.from({ length: 7 }, () => pen.start(spin));
  const { outcome } = await slow;
  for (const one of neighbours) one.kill('cancelled');
  await Promise.all(neighbours.map((one) => one.wait()));
  expect(outcome).toEqual({ kind: 'wall-time-exceeded', phase: 'run' });
  await untilNoGuests(pen, 5_000);
});
