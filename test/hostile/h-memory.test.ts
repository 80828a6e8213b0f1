import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };
const MANY = { processes: 50, each: 80 };
/** Doors to memory: the program, what it is told to take all that it can get, and what to take little. */
const DOORS = [
  ['memfd', { megabytes: 200 }, { megabytes: 8 }],
  ['shm', { megabytes: 200, at: '/dev/shm' }, { megabytes: 8, at: '/dev/shm' }],
  ['shared', { megabytes: 200 }, { megabytes: 8 }],
  ['tables', { megabytes: 200 }, { megabytes: 2 }],
  ['pipes', MANY, { processes: 2, each: 2 }],
  ['unix', MANY, { processes: 2, each: 2 }],
  ['in-flight', MANY, { processes: 2, each: 2 }],
] as const;

/** Bytes of the host that the kernel itself has taken and can't give back. */
function unreclaimable(): number {
  const [, kilobytes = '0'] = /^SUnreclaim:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** The most that `unreclaimable` grew while something ran, and what was left of it after. */
async function growth(during: () => Promise<unknown>): Promise<{ most: number; left: number }> {
  const before = unreclaimable();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, unreclaimable());
  }, 20);
  await during().finally(() => clearInterval(watch));
  for (let tries = 50; tries > 0 && unreclaimable() - before > 32 * MIB; tries -= 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { most: most - before, left: unreclaimable() - before };
}

it('H03 more memory than allowed ends the whole job, whoever took it', async () => {
  const given = { megabytes: 128 };
  const { outcome, limitsHit, usage } = await pen.attack('h03-memory-of-a-child.py', {
    given,
    limits: { memoryBytes: 64 * MIB },
  });
  expect([outcome.kind, limitsHit]).toEqual(['memory-exceeded', ['memoryBytes']]);
  expect(usage?.memoryPeakBytes).toBeLessThanOrEqual(64 * MIB);
  const larger = await pen.attack('h03-memory-of-a-child.py', { given, limits: { memoryBytes: 256 * MIB } });
  expect(larger.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

for (const [door, much, little] of DOORS) {
  it(`H05 memory in ${door} is the job's`, async () => {
    const limits = { memoryBytes: 48 * MIB, diskBytes: 512 * MIB, wallTimeMs: 30_000, cpuTimeMs: 30_000 };
    const fits = await pen.attack(`h05-${door}.py`, { given: little, limits });
    expect(fits.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    const { most, left } = await growth(async () => {
      const { outcome } = await pen.attack(`h05-${door}.py`, { given: much, limits });
      expect(outcome.kind).toBe('memory-exceeded');
    });
    expect(most).toBeLessThan(96 * MIB);
    expect(left).toBeLessThan(48 * MIB);
  });
}

it("H05 datagrams in a job's own network are the job's", async () => {
  const limits = { memoryBytes: 48 * MIB, wallTimeMs: 30_000 };
  const fits = await pen.attack('h05-udp.py', { given: { processes: 1, each: 2 }, limits, ...PRIVATE });
  expect(fits.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  const { most, left } = await growth(() => pen.attack('h05-udp.py', { given: MANY, limits, ...PRIVATE }));
  expect(most).toBeLessThan(128 * MIB);
  expect(left).toBeLessThan(48 * MIB);
});
