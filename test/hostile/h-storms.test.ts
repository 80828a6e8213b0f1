import { expect, it } from 'vitest';
import { HostilePen, jobOf } from './harness.ts';

const pen = await HostilePen.ofFile();

const NEIGHBOUR = { runtime: 'bash' as const, source: 'for i in 1 2 3 4 5 6 7 8 9; do echo $i > f; sync f; done' };
const ROUNDS = 8;

/** Milliseconds of the middle one of some runs of a neighbour. */
async function middle(): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now();
    const { outcome } = await pen.run(NEIGHBOUR);
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    took.push(performance.now() - began);
  }
  return took.sort((a, b) => a - b)[ROUNDS / 2] ?? Number.NaN;
}

it('H18 beside a storm of syncs and metadata others go on', async () => {
  const alone = await middle();
  const storms = [1, 2].map(() => pen.start(jobOf('h18-storm.py', { limits: { wallTimeMs: 60_000, cpuMillis: 500 } })));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const beside = await middle();
  for (const storm of storms) storm.kill('cancelled');
  const ends = await Promise.all(storms.map((storm) => storm.wait()));
  for (const { outcome } of ends) expect(outcome.kind).toBe('cancelled');
  console.log(`H18: a neighbour took ${alone.toFixed(0)} ms alone, ${beside.toFixed(0)} ms beside two storms`);
  // An order of magnitude: what a disk that two jobs share would cost. The ratio above is the figure.
  expect(beside).toBeLessThan(10 * alone + 1_000);
});
