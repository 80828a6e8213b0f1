import { expect, it } from 'vitest';
import { untilNoGuests } from './guests.ts';
import { HostilePen, onHost } from './harness.ts';
import { runOnHost } from './on-host.ts';

/** Nothing that a job does with itself moves the end of its time. */
const pen = await HostilePen.ofFile();

it('E10 a job that stops itself is over at its wall time', async () => {
  expect(await onHost('root-apart', 'e10-stop.py', { watched: true })).toEqual({ stopped: true });
  const { outcome, usage } = await pen.attack('e10-stop.py', { limits: { wallTimeMs: 500 } });
  expect(outcome).toEqual({ kind: 'wall-time-exceeded', phase: 'run' });
  expect(usage?.wallTimeUs).toBeGreaterThanOrEqual(500_000);
  await untilNoGuests(pen, 1_000);
});

it('E11 a deaf job is over at its wall time, without grace', async () => {
  const outside = await runOnHost('nobody', 'e11-deaf.py', {}, 1_000);
  expect([outside.stdout, outside.signal]).toEqual(['deaf\n', 'SIGKILL']);
  // Promised within 20 ms on a machine that has CPUs to spare; one of several tries on a busy one must hold it.
  let best = Number.POSITIVE_INFINITY;
  for (let left = 5; left > 0 && best > 520_000; left -= 1) {
    const { outcome, usage, stdout } = await pen.attack('e11-deaf.py', { limits: { wallTimeMs: 500 } });
    expect([outcome.kind, stdout?.text]).toEqual(['wall-time-exceeded', 'deaf\n']);
    expect(usage?.wallTimeUs).toBeGreaterThanOrEqual(500_000);
    best = Math.min(best, usage?.wallTimeUs ?? best);
  }
  expect(best).toBeLessThanOrEqual(520_000);
  await untilNoGuests(pen, 1_000);
});

it('E18 waiting for oneself is not waiting for us', async () => {
  const { outcome, rewardSafe, usage } = await pen.attack('e18-own-neighbour.py', { limits: { wallTimeMs: 1_000 } });
  const { wallTimeUs = 0, cpuTimeUs = 0, cpuWaitUs = 0 } = usage ?? {};
  expect(outcome.kind).toBe('wall-time-exceeded');
  // All of it is on one CPU: while one half runs the other waits, and that is none of the time that others took.
  expect(Number(cpuWaitUs) + Number(cpuTimeUs), JSON.stringify(usage)).toBeLessThan(wallTimeUs * 1.05);
  expect(rewardSafe).toBe(Number(cpuWaitUs) * 10 < wallTimeUs);
});
