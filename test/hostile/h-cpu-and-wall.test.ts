import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';
import { runOnHost } from './on-host.ts';

const pen = await HostilePen.ofFile();

/** How late the end of a limit may be seen on a machine that does other things too: an order, not a promise. */
const LATE_US = 2_000_000;

for (const [name, given] of [
  ['h11-busy.py', { processes: 1 }],
  ['h11-busy.py', { processes: 8 }],
  ['h11-short-lives.py', {}],
] as const) {
  it(`H11 CPU time is the sum of all: ${name} ${JSON.stringify(given)}`, async () => {
    const limits = { cpuTimeMs: 500, wallTimeMs: 30_000, cpuMillis: 2_000 };
    const { outcome, usage } = await pen.attack(name, { given, limits });
    expect(outcome.kind).toBe('cpu-time-exceeded');
    expect(usage?.cpuTimeUs).toBeGreaterThanOrEqual(500_000);
    expect(usage?.cpuTimeUs).toBeLessThan(900_000);
  });
}

it('H11 within its CPU time the same program ends by itself', async () => {
  const limits = { cpuTimeMs: 5_000, wallTimeMs: 30_000, cpuMillis: 2_000 };
  const { outcome } = await pen.attack('h11-busy.py', { given: { processes: 2, seconds: 0.5 }, limits });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

it('H11 the share of CPUs is kept', async () => {
  const spent = async (cpuMillis: number) => {
    const limits = { wallTimeMs: 1_500, cpuMillis, cpuTimeMs: 30_000 };
    const { outcome, usage } = await pen.attack('h11-busy.py', { given: { processes: 4 }, limits });
    expect(outcome.kind).toBe('wall-time-exceeded');
    return (usage?.cpuTimeUs ?? 0) / (usage?.wallTimeUs ?? 1);
  };
  expect(await spent(200)).toBeLessThan(0.3);
  expect(await spent(2_000)).toBeGreaterThan(0.3);
});

for (const way of ['fifo', 'select', 'pause', 'lock']) {
  it(`H12 waiting is over at the wall time: ${way}`, async () => {
    expect((await runOnHost('nobody', 'h12-wait.py', { way }, 700)).signal).toBe('SIGKILL');
    const { outcome, usage } = await pen.attack('h12-wait.py', { given: { way }, limits: { wallTimeMs: 300 } });
    expect(outcome.kind).toBe('wall-time-exceeded');
    expect(usage?.wallTimeUs).toBeGreaterThanOrEqual(300_000);
    expect(usage?.wallTimeUs).toBeLessThan(300_000 + LATE_US);
  });
}

it('H13 clocks, alarms and time zones of its own change nothing', async () => {
  expect((await runOnHost('nobody', 'h13-timers.py', {}, 700)).signal).toBe('SIGKILL');
  const { outcome, usage } = await pen.attack('h13-timers.py', { limits: { wallTimeMs: 400 } });
  expect(outcome.kind).toBe('wall-time-exceeded');
  expect(usage?.wallTimeUs).toBeLessThan(400_000 + LATE_US);
});
