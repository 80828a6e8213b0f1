import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Build, build, CLONE } from '../../ops/mutants/build.ts';
import { runKiller } from '../../ops/mutants/killer.ts';
import { MUTANTS, sample } from '../../ops/mutants/list.ts';
import { plant } from '../../ops/mutants/tree.ts';
import { Trial } from '../../ops/mutants/trial.ts';
import type { Result } from '../../schemas/types.ts';

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

/** Runs a program in the tree of a build for mutants; what it printed, as JSON. */
async function runThere(args: string[], defect?: string): Promise<unknown> {
  const env = { ...process.env, ...(defect === undefined ? {} : { BULLPEN_LEAVE_OUT: defect }) };
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: tree, env });
  return JSON.parse(stdout);
}

describe('a defect of ours, planted', () => {
  const job = { kind: 'job', version: 1, runtime: 'bash', source: 'echo x > a; echo out' };
  const outcomes = async (jobs: object[], defect?: string) => {
    const input = JSON.stringify({ config: { version: 1, runDir: join(tree, 'run') }, jobs });
    const results = (await runThere(['test/programs/jobs.ts', input], defect)) as Result[];
    return results.map(({ outcome }) => ('step' in outcome ? `${outcome.kind} ${outcome.step}` : outcome.kind));
  };

  it('in the midst of a job ends that job, and the process runs the next', async () => {
    const jobs = [{ ...job, artifacts: ['a'] }, job, { ...job, artifacts: ['a'] }, job];
    expect(await outcomes(jobs, 'defect-in-job')).toEqual(['failed panic', 'exited', 'failed panic', 'exited']);
    expect(await outcomes(jobs.slice(0, 1))).toEqual(['exited']);
  }, 60_000);

  it('in a call from JavaScript is an error of that call', async () => {
    const call = `const { createRequire } = await import('node:module');
      const addon = createRequire(import.meta.url)(process.cwd() + '/native/bin/bullpen.node');
      const told = () => { try { return addon.parseJob(Buffer.from('{}'), 100); } catch (error) { return error.message; } };
      console.log(JSON.stringify([told(), told()]));`;
    const program = ['--input-type=module', '-e', call];
    expect(await runThere(program, 'defect-in-call')).toEqual(Array(2).fill(expect.stringContaining('planted')));
    expect(await runThere(program)).toEqual(Array(2).fill(expect.stringContaining('"ok":false')));
  });
});

describe('a part that is left out is noticed', () => {
  it.each(SOME)('$name', async (mutant) => {
    const { killedBy, unmoved } = await new Trial({ tree, build: built }).judge(mutant, true);
    expect(killedBy, `${mutant.leavesOut}, and none fails of ${unmoved}`).not.toEqual([]);
  });
});
