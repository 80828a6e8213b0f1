import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';
import { runOnHost } from './on-host.ts';

const pen = await HostilePen.ofFile();

const TRUNCATE = { outputOverflow: 'truncate', wallTimeMs: 60_000, cpuTimeMs: 60_000 };

for (const to of [[1], [2], [1, 2]]) {
  it(`G06 a flood on ${to.join(' and ')} is cut`, async () => {
    const more = { given: { megabytes: 16, to } };
    const killed = await pen.attack('g06-flood.py', more);
    expect([killed.outcome.kind, killed.limitsHit]).toEqual(['output-exceeded', ['outputBytes']]);
    expect(killed.stdout?.bytes).toBeLessThanOrEqual(MIB);
    const cut = await pen.attack('g06-flood.py', { ...more, limits: TRUNCATE });
    expect([cut.outcome.kind, cut.limitsHit]).toEqual(['exited', ['outputBytes']]);
    for (const stream of [to.includes(1) ? [cut.stdout] : [], to.includes(2) ? [cut.stderr] : []].flat()) {
      expect(stream).toMatchObject({ bytes: MIB, truncated: true, totalBytes: 16 * MIB });
    }
    const whole = await pen.attack('g06-flood.py', { given: { megabytes: 1, to }, limits: { outputBytes: 2 * MIB } });
    expect([whole.outcome.kind, whole.limitsHit ?? []]).toEqual(['exited', []]);
  });
}

it('G06 one line without an end takes no memory of ours, and little of our time', async () => {
  const [before, cpu] = [process.memoryUsage().rss, process.cpuUsage()];
  const given = { megabytes: 128, to: [1] };
  const { outcome, stdout, usage } = await pen.attack('g06-flood.py', { given, limits: TRUNCATE });
  expect([outcome.kind, stdout?.totalBytes]).toEqual(['exited', 128 * MIB]);
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
  // What isn't kept is drained at 64 MiB a second at most.
  expect(usage?.wallTimeUs).toBeGreaterThan(1_900_000);
  const spent = process.cpuUsage(cpu).user + process.cpuUsage(cpu).system;
  expect(spent).toBeLessThan((usage?.wallTimeUs ?? 0) / 2);
});

it('G07 a byte now and then does not buy time', async () => {
  const outside = await runOnHost('nobody', 'g07-drip.py', {}, 1_500);
  expect([outside.signal, outside.stdout.length > 3]).toEqual(['SIGKILL', true]);
  const { outcome, stdout } = await pen.attack('g07-drip.py', { limits: { wallTimeMs: 800 } });
  expect(outcome.kind).toBe('wall-time-exceeded');
  expect(stdout?.bytes).toBeLessThan(10);
});

it('G08 input that nobody reads holds nothing up', async () => {
  const { outcome } = await pen.attack('g08-deaf.py', { stdin: { text: 'y'.repeat(15 * MIB) } });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  const read = await pen.run({ runtime: 'bash', source: 'wc -c', stdin: { text: 'y'.repeat(15 * MIB) } });
  expect(read.stdout?.text?.trim()).toBe(String(15 * MIB));
});
