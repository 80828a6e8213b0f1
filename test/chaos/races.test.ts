import { expect, it } from 'vitest';
import { runRaces } from './races.ts';

const RACES = 500;
const seed = Number(process.env.BULLPEN_CHAOS_SEED ?? Date.now() % 1_000_000);

it(`${RACES} jobs are cancelled as they end: each has one end, and it stays (BULLPEN_CHAOS_SEED=${seed})`, async () => {
  const { races, ends, histories, wrong } = await runRaces({ against: 'cancel', races: RACES, seed });
  console.info(ends);
  for (const history of histories) console.info(history);
  expect(wrong).toEqual([]);
  expect(races).toBeGreaterThanOrEqual(RACES);
  // Races that one side always wins are none. A job that follows a killed one on its slot is not killed with it (R37).
  expect(ends).toMatchObject({ exited: expect.any(Number), cancelled: expect.any(Number) });
  expect(['exited', 'cancelled', 'cancelled unbegun']).toEqual(expect.arrayContaining(Object.keys(ends)));
}, 180_000);

it(`${RACES} jobs expire as they begin: each has one end, and it stays`, async () => {
  const { races, ends, histories, wrong } = await runRaces({ against: 'expiry', races: RACES, seed });
  console.info(ends);
  for (const history of histories) console.info(history);
  expect(wrong).toEqual([]);
  expect(races).toBeGreaterThanOrEqual(RACES);
  expect(ends).toMatchObject({ exited: expect.any(Number), 'expired unbegun': expect.any(Number) });
  expect(['exited', 'expired unbegun']).toEqual(expect.arrayContaining(Object.keys(ends)));
}, 180_000);
