// One test that may kill mutants, run by itself in the copied tree, with a part left out or with nothing

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Tally, tallyLibtest, tallyVitest } from '../tally.ts';
import type { Build } from './build.ts';
import { killMarked } from './leftovers.ts';

/** Longest time for one test, ms: a mutant may hang it, which is a way to fail. */
const PATIENCE_MS = 60_000;
const TEST_TIMEOUT_MS = 30_000;
const VARIABLE = 'BULLPEN_LEAVE_OUT';

/** Where tests run. */
export interface Ground {
  tree: string;
  build: Build;
}

/** Runs `killer` with `leftOut` left out. */
export async function runKiller(ground: Ground, killer: string, leftOut?: string): Promise<Tally> {
  const tally = killer.includes('/') ? runRust(ground, killer, leftOut) : runHostile(ground, killer, leftOut);
  return tally.finally(() => leftOut === undefined || killMarked(`${VARIABLE}=${leftOut}`));
}

async function runRust({ tree, build }: Ground, killer: string, leftOut?: string): Promise<Tally> {
  const at = killer.indexOf(' ');
  const [target, filter] = [killer.slice(0, at), killer.slice(at + 1)];
  const program = build.tests.get(target);
  if (program === undefined) throw new Error(`${killer}: no such test program`);
  const end = await run([program, filter, '--test-threads=1'], tree, {
    BULLPEN_FORKSERVER: build.forkserver,
    ...leaving(leftOut),
  });
  const { passed, failures } = tallyLibtest(end.output);
  const own = failures.filter((name) => name.includes(filter));
  return { passed, failures: own.length > 0 || end.isOver ? own : [`${killer}: ${end.how}`], skipped: [] };
}

async function runHostile({ tree }: Ground, killer: string, leftOut?: string): Promise<Tally> {
  const files = filesWith(tree, killer);
  if (files.length === 0) throw new Error(`${killer}: no such case in test/hostile`);
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-mutants-'));
  const report = join(directory, 'report.json');
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'hostile', ...files];
  const limits = [`--testTimeout=${TEST_TIMEOUT_MS}`, `--hookTimeout=${TEST_TIMEOUT_MS}`];
  const how = ['-t', `\\b${killer}\\b`, '--reporter=json', `--outputFile=${report}`, ...limits];
  const end = await run([...vitest, ...how], tree, leaving(leftOut));
  const tally = end.isOver ? tallyVitest(readFileSync(report, 'utf8')) : { passed: 0, failures: [], skipped: [] };
  rmSync(directory, { recursive: true });
  if (end.status !== 0 && tally.failures.length === 0) tally.failures.push(`${killer}: ${end.how}`);
  return { ...tally, skipped: [] };
}

/** Files of hostile cases with a title that begins with these words. */
function filesWith(tree: string, killer: string): string[] {
  const [id = ''] = killer.split(' ');
  const title = new RegExp(`['"\`](?:[A-Z]\\d+ )*${id} `);
  const files = readdirSync(join(tree, 'test/hostile'), { recursive: true, encoding: 'utf8' });
  const tests = files.filter((name) => name.endsWith('.test.ts')).map((name) => join('test/hostile', name));
  return tests.filter((path) => title.test(readFileSync(join(tree, path), 'utf8')));
}

function leaving(leftOut: string | undefined): Record<string, string> {
  return leftOut === undefined ? {} : { [VARIABLE]: leftOut };
}

interface End {
  status: number | null;
  /** It ended by itself. */
  isOver: boolean;
  how: string;
  output: string;
}

/** Runs a program in a process group of its own, which is killed when it takes too long. */
function run([program = '', ...args]: string[], cwd: string, more: Record<string, string>): Promise<End> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...more };
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kept: Buffer[] = [];
  for (const from of [child.stdout, child.stderr]) from.on('data', (chunk: Buffer) => kept.push(chunk));
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, PATIENCE_MS);
    child.once('error', reject);
    // Not `close`: who was left behind may hold the pipes open.
    child.once('exit', (status, signal) => {
      clearTimeout(timer);
      const how = isLate ? `not over after ${PATIENCE_MS} ms` : `ended with ${signal ?? status}`;
      setTimeout(() => resolve({ status, isOver: signal === null, how, output: Buffer.concat(kept).toString() }), 20);
    });
  });
}
