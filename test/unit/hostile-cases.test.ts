import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { CASES, type Place } from '../hostile/cases.ts';

const TESTS = fileURLToPath(new URL('..', import.meta.url));

/** The cases that the names of a file's tests begin with: `it('A08 …')`, `it('I01 I03 …')`; anywhere in a Rust file. */
function casesIn(text: string, path: string): Set<string> {
  if (path.endsWith('.rs')) return new Set(text.match(/\b[A-K]\d\d\b/g));
  const names = text.matchAll(/\bit(?:\.\w+\([^\n]*\))?\(\s*[`'"]((?:[A-K]\d\d )+)/g);
  return new Set([...names].flatMap(([, ids = '']) => ids.trim().split(' ')));
}

/** What is wrong with a list of cases, a line each. */
function faultsOf(cases: Record<string, Place>): string[] {
  return Object.entries(cases).flatMap(([id, place]) => {
    if (typeof place !== 'string' && 'elsewhere' in place) return place.elsewhere.length > 20 ? [] : [`${id}: why?`];
    const path = typeof place === 'string' ? place : place.refusedIn;
    if (!existsSync(TESTS + path)) return [`${id}: ${path} is not there`];
    if (typeof place !== 'string') return place.because.length > 20 ? [] : [`${id}: why?`];
    return casesIn(readFileSync(TESTS + path, 'utf8'), path).has(id) ? [] : [`${id}: not in ${path}`];
  });
}

it('every hostile case is in the file that the list names, or has its reason', () => {
  expect(faultsOf(CASES)).toEqual([]);
});

it('every case that a hostile test names is in the list', () => {
  const files = readdirSync(`${TESTS}hostile`).filter((name) => name.endsWith('.test.ts'));
  const named = files.flatMap((name) => [...casesIn(readFileSync(`${TESTS}hostile/${name}`, 'utf8'), name)]);
  expect(named.filter((id) => CASES[id] === undefined)).toEqual([]);
});

it('no number is lost', () => {
  const atLeast = { A: 13, B: 13, C: 11, D: 7, E: 12, F: 24, G: 7, H: 19, I: 23, J: 16, K: 24 };
  const listed = Object.keys(CASES);
  expect(listed).toEqual([...listed].sort());
  for (const [group, count] of Object.entries(atLeast)) {
    expect(listed.filter((id) => id.startsWith(group)).length, group).toBeGreaterThanOrEqual(count);
  }
});

it('a list with a gap, a wrong file or no reason is noticed', () => {
  expect(faultsOf({ A01: 'hostile/none.test.ts' })).toEqual(['A01: hostile/none.test.ts is not there']);
  expect(faultsOf({ Z99: 'unit/hostile-cases.test.ts' })).toEqual(['Z99: not in unit/hostile-cases.test.ts']);
  expect(faultsOf({ A01: { elsewhere: 'later' } })).toEqual(['A01: why?']);
  expect(casesIn("it('A01 A02 x'); it.each(y)(`B03 z`)", 'x.ts')).toEqual(new Set(['A01', 'A02', 'B03']));
});
