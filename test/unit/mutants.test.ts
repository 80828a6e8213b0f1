import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MUTANTS, sample } from '../../ops/mutants/list.ts';

const CLONE = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(CLONE, path), 'utf8');

function tracked(pattern: RegExp): string[] {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: CLONE, encoding: 'utf8' });
  return files.split('\n').filter((path) => pattern.test(path));
}

/** Names of the parts, and of what stands for them in Rust. Planted defects are no mutants: they have tests of their own. */
const PARTS = [...read('native/leave-out/src/lib.rs').matchAll(/^ {4}(\w+) = "(?!defect-)(.+)",$/gm)];
const HOSTILE = readdirSync(join(CLONE, 'test/hostile'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(`test/hostile/${name}`))
  .join('\n');
const RUST = tracked(/^native\/.*\.rs$/).map((path) => [path, read(path)] as const);

/** Is there such a test? A hostile case by the begin of its title, or a Rust test as `CRATE/TARGET NAME`. */
function isTest(killer: string): boolean {
  const [, crate, target, name = ''] = /^(\w+)\/([\w-]+) (.+)$/.exec(killer) ?? [];
  if (crate === undefined) return new RegExp(`['"\`](?:[A-Z]\\d+ )*${killer}\\b`).test(HOSTILE);
  const places = [`native/${crate}/src/`, `native/${crate}/tests/${target}.rs`];
  const sources = RUST.filter(([path]) => places.some((place) => path.startsWith(place))).map(([, text]) => text);
  const own = name.split('::').at(-1) ?? '';
  return sources.some((text) => text.includes(`fn ${own}(`) || text.includes(`"${own}"`));
}

describe('the list of mutants', () => {
  it('names each part once', () => {
    const names = MUTANTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect([...names].sort()).toEqual(PARTS.map(([, , name]) => name).sort());
  });

  it('has no part that is left out nowhere', () => {
    const code = RUST.filter(([path]) => !path.endsWith('/leave-out/src/lib.rs'))
      .map(([, text]) => text)
      .join('\n');
    expect(PARTS.map(([, part]) => part).filter((part) => !new RegExp(`Part::${part}\\b`).test(code))).toEqual([]);
  });

  it('names tests that exist', () => {
    expect(MUTANTS.filter(({ killers }) => killers.length === 0)).toEqual([]);
    expect([...new Set(MUTANTS.flatMap(({ killers }) => killers))].filter((killer) => !isTest(killer))).toEqual([]);
    expect(
      ['Z99', 'forkserver/confine nobody_wrote_this', 'nowhere/confine posture_is_as_promised'].filter(isTest),
    ).toEqual([]);
  });

  it('was tried: the results that are checked in say that each was killed', () => {
    const results = JSON.parse(read('test/mutants/results.json')) as {
      mutants: { name: string; killedBy: string[] }[];
    };
    expect(results.mutants.map(({ name }) => name)).toEqual(MUTANTS.map(({ name }) => name));
    expect(results.mutants.filter(({ killedBy }) => killedBy.length === 0)).toEqual([]);
  });

  it('gives the same sample for one seed, of as many kinds as there is room for', () => {
    expect(sample(10, 1)).toEqual(sample(10, 1));
    expect(sample(10, 1)).not.toEqual(sample(10, 2));
    expect(new Set(sample(10, 1).map(({ name }) => name.split('-')[0])).size).toBe(10);
    expect(sample(1_000, 1)).toHaveLength(MUTANTS.length);
  });
});

describe('what looks right and is not', () => {
  const section = read('DESIGN.md').split('### What looks right and isn’t')[1]?.split('\n#')[0] ?? '';
  const rows = section.split('\n').filter((line) => /^\| (?!looks right|-)/.test(line));

  it('has a test for each row, which exists', () => {
    expect(rows.length).toBeGreaterThan(15);
    const tests = rows.map((row) =>
      [...(row.split('|').at(-2) ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    );
    expect(rows.filter((_, index) => tests[index]?.length === 0)).toEqual([]);
    expect(tests.flat().filter((name) => !isTest(name) && !MUTANTS.some((mutant) => mutant.name === name))).toEqual([]);
  });
});
