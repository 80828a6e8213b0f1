// `npm run chaos -- [--seconds N] [--jobs N] [--races N] [--seed S]`: jobs while everything fails, then what came of each; then races
// of cancel and expiry against jobs that end. The same seed brings the same jobs and the same deeds in the same order; what they meet is
// chance. The last line is JSON.

import { parseArgs } from 'node:util';
import { runRaces } from './races.ts';
import { runChaos } from './run.ts';

const SECONDS = 600;
const JOBS = 20_000;
const RACES = 10_000;
const IN_FLIGHT = 64;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    jobs: { type: 'string' },
    races: { type: 'string' },
    seed: { type: 'string' },
  },
});
const seconds = integer('--seconds', values.seconds, SECONDS);
const jobs = integer('--jobs', values.jobs, JOBS);
const races = integer('--races', values.races, RACES);
const seed = integer('--seed', values.seed, Date.now() % 1_000_000);

// Workers and Redis end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
console.log(`seed ${seed}: at least ${seconds} s and ${jobs} jobs`);
const report = await runChaos({ seed, seconds, jobs, inFlight: IN_FLIGHT, onProgress: console.log });
console.log('deeds', report.deeds);
console.log('outcomes', report.outcomes, `outlived ${report.outlivedMs} ms`);
const wrong = tell(report);
const raced: Record<string, Record<string, number>> = {};
for (const against of ['cancel', 'expiry'] as const) {
  if (races === 0) break;
  const race = await runRaces({ against, races, seed });
  console.log(`${race.races} races against ${against}`, race.ends);
  wrong.push(...tell(race));
  raced[against] = race.ends;
}
console.log(JSON.stringify({ ...report.figures, races: raced, wrong: wrong.length }));
process.exitCode = wrong.length === 0 ? 0 : 1;

function tell({ histories, wrong }: { histories: string[]; wrong: string[] }): string[] {
  for (const history of histories) console.log(`\n${history}`);
  for (const line of wrong) console.log(line);
  return [...wrong];
}

function integer(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) {
    console.error(`${name} must be an integer from 0 to 999999999`);
    process.exit(2);
  }
  return Number(text);
}
