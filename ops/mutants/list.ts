// Mutants: parts of the confinement, each with the tests that must notice when it is left out

import { readFileSync } from 'node:fs';

/** One part. `name` is that of `native/leave-out/src/lib.rs`. */
export interface Mutant {
  name: string;
  /** What a sandbox is like without it. */
  leavesOut: string;
  /**
   * Tests of which at least one fails then: a case of `test/hostile` by the begin of its title (`F07`), or a Rust test as
   * `CRATE/TARGET NAME`.
   */
  killers: string[];
}

export const MUTANTS: readonly Mutant[] = JSON.parse(
  readFileSync(new URL('./list.json', import.meta.url), 'utf8'),
) as Mutant[];

/** The mutants of these names. Throws when one is none. */
export function named(names: readonly string[]): Mutant[] {
  return names.map((name) => {
    const mutant = MUTANTS.find((one) => one.name === name);
    if (mutant === undefined) throw new Error(`no mutant ${name}`);
    return mutant;
  });
}

/** `count` mutants of different kinds (the first word of a name) as far as there are so many, always the same for one seed. */
export function sample(count: number, seed: number): Mutant[] {
  const shuffled = MUTANTS.map((mutant) => ({ mutant, place: hash(`${seed} ${mutant.name}`) }));
  shuffled.sort((one, other) => one.place - other.place);
  const [firsts, others]: [Mutant[], Mutant[]] = [[], []];
  const kinds = new Set<string>();
  for (const { mutant } of shuffled) {
    const [kind = ''] = mutant.name.split('-');
    (kinds.has(kind) ? others : firsts).push(mutant);
    kinds.add(kind);
  }
  return [...firsts, ...others].slice(0, count);
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
