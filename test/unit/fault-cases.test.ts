import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { FAULTS, type FaultPlace } from '../chaos/cases.ts';

const TESTS = fileURLToPath(new URL('..', import.meta.url));

/** What is wrong with a list of faults, a line each. */
function gapsIn(faults: Record<string, FaultPlace>): string[] {
  return Object.entries(faults).flatMap(([id, place]) => {
    if ('elsewhere' in place) return place.elsewhere.length > 20 ? [] : [`${id}: why?`];
    if (!existsSync(TESTS + place.in)) return [`${id}: ${place.in} is not there`];
    return readFileSync(TESTS + place.in, 'utf8').includes(place.test) ? [] : [`${id}: not in ${place.in}`];
  });
}

it('every fault is brought by the test that the list names, or has its reason', () => {
  expect(gapsIn(FAULTS)).toEqual([]);
});

it('no number is lost', () => {
  expect(Object.keys(FAULTS)).toEqual(Object.keys(FAULTS).toSorted());
  expect(Object.keys(FAULTS).length).toBeGreaterThanOrEqual(32);
});

it('a list with a gap, a wrong file or no reason is noticed', () => {
  expect(gapsIn({ R01: { in: 'chaos/none.test.ts', test: 'x' } })).toEqual(['R01: chaos/none.test.ts is not there']);
  expect(gapsIn({ R01: { in: 'chaos/random.ts', test: 'R99' } })).toEqual(['R01: not in chaos/random.ts']);
  expect(gapsIn({ R01: { elsewhere: 'later' } })).toEqual(['R01: why?']);
});
