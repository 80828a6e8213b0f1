// Which tests notice that a part is left out: each must pass with nothing left out, and at least one must fail with it

import { type Ground, runKiller } from './killer.ts';
import { instances, removeAbandoned } from './leftovers.ts';
import type { Mutant } from './list.ts';

const TRIES = 3;

/** What became of one mutant. */
export interface Verdict {
  name: string;
  leavesOut: string;
  /** Tests that failed. Empty: it survived. */
  killedBy: string[];
  /** Tests that passed all the same, as far as they were run. */
  unmoved: string[];
  /** Tests that fail with nothing left out too, and so say nothing. */
  unsound: string[];
}

/** Tries mutants one after the other. */
export class Trial {
  readonly #ground: Ground;
  readonly #sound = new Map<string, Promise<string | undefined>>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Runs a mutant's tests: all of them, or until one fails. */
  async judge({ name, leavesOut, killers }: Mutant, untilKilled: boolean): Promise<Verdict> {
    const verdict: Verdict = { name, leavesOut, killedBy: [], unmoved: [], unsound: [] };
    const before = instances();
    for (const killer of killers) {
      const flaw = await this.#prove(killer);
      if (flaw !== undefined) {
        verdict.unsound.push(`${killer}: ${flaw}`);
        continue;
      }
      const { failures } = await runKiller(this.#ground, killer, name);
      (failures.length > 0 ? verdict.killedBy : verdict.unmoved).push(killer);
      if (untilKilled && failures.length > 0) break;
    }
    await removeAbandoned(before);
    return verdict;
  }

  #prove(killer: string): Promise<string | undefined> {
    const known = this.#sound.get(killer);
    if (known !== undefined) return known;
    const proven = findFlaw(this.#ground, killer);
    this.#sound.set(killer, proven);
    return proven;
  }
}

/** What is wrong with a test. On a busy machine one may fail by accident, but not each time. */
async function findFlaw(ground: Ground, killer: string): Promise<string | undefined> {
  let flaw: string | undefined;
  for (let round = 0; round < TRIES; round += 1) {
    const { passed, failures } = await runKiller(ground, killer);
    if (passed > 0 && failures.length === 0) return undefined;
    flaw = failures.join(', ') || 'no test ran';
  }
  return flaw;
}
