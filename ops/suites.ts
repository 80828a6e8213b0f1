// The suites of `npm test`, in their order: each runs real programs and returns what they came to.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cargo } from './cargo.ts';
import { fuzz } from './fuzz.ts';
import { type Tally, tallyLibtest, tallyVitest } from './tally.ts';

const CLONE = fileURLToPath(new URL('..', import.meta.url));
const REPORTS = join(CLONE, '.bullpen', 'test');

/** Suites of chance: run when they are asked for by name. */
export const ON_REQUEST = ['chaos'] as const;

export type SuiteName =
  | 'static'
  | 'native'
  | 'unit'
  | 'contract'
  | 'e2e'
  | 'outage'
  | 'hostile'
  | 'runtimes'
  | 'mutants'
  | 'pack'
  | 'quickstart'
  | 'fuzz'
  | 'vm'
  | (typeof ON_REQUEST)[number];

/** The suites by name, cheapest first. */
export const SUITES: Record<SuiteName, () => Promise<Tally>> = {
  static: checkStatically,
  native: testNative,
  unit: () => runVitest('unit'),
  contract: () => runVitest('contract'),
  e2e: () => runVitest('e2e'),
  outage: () => runVitest('outage'),
  hostile: attack,
  runtimes: () => runVitest('runtimes'),
  mutants: () => runVitest('mutants'),
  pack: () => runVitest('pack'),
  quickstart: () => runAll([['quickstart', ['node', 'ops/quickstart.ts']]]),
  fuzz: () => fuzz({ seconds: 20 }),
  vm: () => runVitest('vm'),
  chaos: () => runVitest('chaos'),
};

function checkStatically(): Promise<Tally> {
  return runAll([
    ['formatting and lint (biome)', ['biome', 'ci', '--colors=off', '--error-on-warnings', '.']],
    ['types (tsc)', ['tsc', '-p', 'tsconfig.json']],
    ['generated types are fresh', ['node', 'schemas/generate.ts', '--check']],
    ['formatting (cargo fmt)', ['cargo', 'fmt', '--manifest-path', 'native/Cargo.toml', '--all', '--check']],
    ['lint (clippy)', cargo('clippy', '--all-targets', '--', '-D', 'warnings')],
  ]);
}

async function testNative(): Promise<Tally> {
  const { status, output } = await run(cargo('test', '--exclude', 'fuzz', '--no-fail-fast'));
  const tally = tallyLibtest(output);
  if (status !== 0 && tally.failures.length === 0) tally.failures.push(`cargo test ended with ${status}`);
  return tally;
}

async function runVitest(project: string): Promise<Tally> {
  const report = join(REPORTS, `${project}.json`);
  mkdirSync(REPORTS, { recursive: true });
  rmSync(report, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = await run(['vitest', 'run', '--project', project, ...reporters]);
  const tally = tallyVitest(readFileSync(report, 'utf8'));
  if (status !== 0 && tally.failures.length === 0) tally.failures.push(`vitest ended with ${status}`);
  return tally;
}

/** The attacks, and after the last of them a look at what all jobs share. */
async function attack(): Promise<Tally> {
  const [manifest, seed] = [join(REPORTS, 'shared-root.manifest'), String(process.pid)];
  mkdirSync(REPORTS, { recursive: true });
  const taken = await run(['python3', '-B', 'test/integrity/integrity.py', 'manifest', '/usr', seed, manifest]);
  const attacks = await runVitest('hostile');
  Object.assign(process.env, { BULLPEN_MANIFEST: manifest, BULLPEN_MANIFEST_SEED: seed });
  const after = await runVitest('integrity');
  return {
    passed: attacks.passed + after.passed,
    failures: [...(taken.status === 0 ? [] : ['no manifest']), ...attacks.failures, ...after.failures],
    skipped: [...attacks.skipped, ...after.skipped],
  };
}

/** Commands that each are one test: status 0 passes. */
async function runAll(commands: [name: string, command: string[]][]): Promise<Tally> {
  const tally: Tally = { passed: 0, failures: [], skipped: [] };
  for (const [name, command] of commands) {
    const { status } = await run(command);
    if (status === 0) tally.passed += 1;
    else tally.failures.push(name);
  }
  return tally;
}

/** Runs a program in the clone; its output is shown as it comes, and kept. */
function run([program = '', ...args]: string[]): Promise<{ status: number | NodeJS.Signals; output: string }> {
  console.log(`\n$ ${[program, ...args].join(' ')}`);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: CLONE, stdio: ['ignore', 'pipe', 'pipe'] });
    const kept: Buffer[] = [];
    for (const [from, to] of [[child.stdout, process.stdout] as const, [child.stderr, process.stderr] as const]) {
      from.on('data', (chunk: Buffer) => {
        kept.push(chunk);
        to.write(chunk);
      });
    }
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ status: signal ?? code ?? -1, output: Buffer.concat(kept).toString() });
    });
  });
}
