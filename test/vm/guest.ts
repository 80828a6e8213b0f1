// What the tests ask of a guest.

import { test } from 'vitest';
import { tallyLibtest } from '../../ops/tally.ts';
import { buildImages } from '../../ops/vm/images.ts';
import { Vm } from '../../ops/vm/vm.ts';
import type { Result } from '../../schemas/types.ts';
import { type GuestProgram, PROGRAMS } from './programs.ts';

/** The whole of a test file, boot and all: half a minute on a quiet machine, several times as long on one that has other work. */
const LIFETIME_MS = 3 * 60_000;
const WORKER = ['node', '/opt/bullpen/worker/cli/main.ts'];
const JOBS = ['node', '/opt/bullpen/test/programs/jobs.ts'];
const WORKER_TIMEOUT_MS = 100_000;

/** Boots a guest from images that are made first, where they are missing. */
export async function bootGuest(cgroups: 'v1' | 'v2'): Promise<Vm> {
  const vm = await Vm.boot(buildImages(), { cgroups, lifetimeMs: LIFETIME_MS });
  console.log(`cgroup ${cgroups}: booted in ${vm.bootMs} ms, attempt ${vm.attempts}`);
  return vm;
}

/** Runs a shell script that is expected to succeed; its output, trimmed. */
export async function sh(vm: Vm, script: string, user: 'root' | 'rootless' = 'root'): Promise<string> {
  const { status, stdout, stderr } = await vm.run({ argv: ['sh', '-euc', script], user });
  if (status !== 0) throw new Error(`${script}\nended with ${status}\n${stdout}${stderr}`);
  return stdout.trim();
}

/** Runs `bullpen-worker` with `--json`; what it printed as its one document, and its status. */
export async function worker(
  vm: Vm,
  args: string[],
  user: 'root' | 'rootless' = 'root',
): Promise<{ status: number | null; document: unknown }> {
  const { status, stdout, stderr } = await vm.run({
    argv: [...WORKER, ...args, '--json'],
    user,
    timeoutMs: WORKER_TIMEOUT_MS,
  });
  try {
    return { status, document: JSON.parse(stdout) };
  } catch {
    throw new Error(
      `bullpen-worker ${args.join(' ')} ended with ${status} and printed no document:\n${stdout}${stderr}`,
    );
  }
}

/** How `jobs` runs. */
export interface JobsOptions {
  user?: 'root' | 'rootless';
  cgroup?: string;
  /** Over a worker's configuration that says nothing. */
  config?: object;
}

/** Runs job documents one after another on one engine. */
export async function jobs(vm: Vm, documents: object[], o: JobsOptions = {}): Promise<Result[]> {
  const { user = 'root', cgroup, config } = o;
  const runDir = user === 'root' ? '/run/bullpen' : '/tmp/bullpen-rootless';
  const input = JSON.stringify({ config: { version: 1, runDir, ...config }, jobs: documents });
  const where = cgroup === undefined ? {} : { cgroup };
  const { stdout, stderr } = await vm.run({ argv: [...JOBS, input], user, timeoutMs: WORKER_TIMEOUT_MS, ...where });
  if (stdout === '') throw new Error(`no results: ${stderr}`);
  return JSON.parse(stdout) as Result[];
}

/** Makes a test of each of a file's Rust test programs. */
export function programsOf(file: string, vm: () => Vm): void {
  test.each(PROGRAMS.filter((program) => program.file === file))('$program', (program) => expectToPass(vm(), program));
}

/** Runs one of the Rust test programs; throws with its output unless it came to what is expected of it. */
async function expectToPass(vm: Vm, guest: GuestProgram): Promise<void> {
  const { program, only = [], except = {}, timeoutMs } = guest;
  const skips = Object.keys(except).flatMap((name) => ['--skip', name]);
  // One at a time: with two, each has its limits of time on half of a machine that is ten times slower already.
  const argv = [`/opt/bullpen/tests/${program}`, '--test-threads=1', '--exact', ...skips, ...only];
  const { stdout, stderr, timedOut, signal } = await vm.run({ argv, timeoutMs });
  const output = `${stdout}${stderr}`;
  // Cut short, it says nothing about the rest.
  const problems = timedOut || signal !== null ? ['it did not come to its end'] : problemsOf(guest, output);
  if (problems.length > 0) throw new Error(`${program}: ${problems.join('; ')}\n${output}`);
}

function problemsOf({ only, except = {}, mayFail = {} }: GuestProgram, output: string): string[] {
  const { passed, failures, skipped } = tallyLibtest(output);
  const problems = failures.filter((name) => !(name in mayFail)).map((name) => `${name} failed`);
  problems.push(...skipped.map((name) => `${name} was skipped`));
  for (const name of Object.keys(mayFail)) {
    if (!output.includes(`test ${name} ... `)) problems.push(`there is no test ${name}`);
  }
  const left = Number(/(\d+) filtered out/.exec(output)?.[1] ?? 0);
  if (only === undefined && left !== Object.keys(except).length) problems.push('not every exception is a test');
  if (passed + failures.length < (only?.length ?? 1)) problems.push('not every test that was asked for is there');
  return problems;
}
