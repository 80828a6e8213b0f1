import { expect, it } from 'vitest';
import { deedsOf } from './deeds.ts';
import { planOf } from './plans.ts';
import { seededRandom } from './random.ts';
import { runChaos } from './run.ts';

const JOBS = 2000;
const seed = Number(process.env.BULLPEN_CHAOS_SEED ?? Date.now() % 1_000_000);

it(`every promise holds for ${JOBS} jobs while everything fails (BULLPEN_CHAOS_SEED=${seed})`, async () => {
  const report = await runChaos({ seed, seconds: 0, jobs: JOBS, inFlight: 64 });
  console.info(report.deeds, report.outcomes, `outlived ${report.outlivedMs} ms`);
  for (const history of report.histories) console.info(history);
  console.info(JSON.stringify(report.figures));
  expect(report.wrong).toEqual([]);
  expect(report.figures.faults).toBeGreaterThan(0);
  expect(report.outcomes.exited).toBeGreaterThan(JOBS / 2);
}, 290_000);

it('the same seed brings the same deeds and the same jobs, another seed others', () => {
  const deeds = (of: number) => {
    const endless = deedsOf(of);
    return Array.from({ length: 200 }, () => endless.next().value);
  };
  const plans = (of: number) => {
    const ground = { prefix: 'job', marks: '/srv/marks', random: seededRandom(of) };
    return Array.from({ length: 200 }, (_, n) => planOf(n, ground));
  };
  expect(deeds(7)).toEqual(deeds(7));
  expect(deeds(7)).not.toEqual(deeds(8));
  expect(plans(7)).toEqual(plans(7));
  expect(plans(7)).not.toEqual(plans(8));
});
