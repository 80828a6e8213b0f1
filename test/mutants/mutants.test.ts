import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Build, build, CLONE } from '../../ops/mutants/build.ts';
import { runKiller } from '../../ops/mutants/killer.ts';
import { MUTANTS, sample } from '../../ops/mutants/list.ts';
import { plant } from '../../ops/mutants/tree.ts';
import { Trial } from '../../ops/mutants/trial.ts';

/** Ten of all; `npm run mutants` tries every one. */
const SOME = sample(10, 1);
const MARKS = ['BULLPEN_LEAVE_OUT', ...MUTANTS.map(({ name }) => name)];

let built: Build;
let tree: string;
beforeAll(() => {
  built = build();
  tree = plant(built);
});

/** Of the marks of a build for mutants those that a program holds. */
function marksIn(program: string): string[] {
  const bytes = readFileSync(program);
  return MARKS.filter((mark) => bytes.includes(mark));
}

describe('what is used', () => {
  it('holds nothing by which a part could be left out', () => {
    expect(marksIn(join(CLONE, 'native/bin/bullpen-forkserver'))).toEqual([]);
    expect(marksIn(join(CLONE, 'native/bin/bullpen.node'))).toEqual([]);
    // The control: a build for mutants holds all of it.
    expect(marksIn(built.forkserver)).toEqual(MARKS);
    expect(marksIn(built.addon)).toEqual(MARKS);
  });

  it('does not hear the variable by which one is chosen', async () => {
    const part = ['F14', 'seccomp-personality'] as const;
    expect(await runKiller({ tree: CLONE, build: built }, ...part)).toMatchObject({ passed: 1, failures: [] });
    expect((await runKiller({ tree, build: built }, ...part)).failures).toHaveLength(1);
  });
});

describe('a part that is left out is noticed', () => {
  it.each(SOME)('$name', async (mutant) => {
    const { killedBy, unmoved } = await new Trial({ tree, build: built }).judge(mutant, true);
    expect(killedBy, `${mutant.leavesOut}, and none fails of ${unmoved}`).not.toEqual([]);
  });
});
