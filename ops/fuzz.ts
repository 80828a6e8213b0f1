// Fuzzing: `npm run fuzz -- --seconds N [--only TARGET]`, and the suite `fuzz` of `npm test`.
//
// libFuzzer guides itself by coverage, which a stable compiler can be asked for. Each target begins with its checked-in corpus; what
// it finds new goes to `.bullpen/fuzz/TARGET/corpus`, an input that breaks a promise to `.bullpen/fuzz/TARGET/`.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Tally } from './tally.ts';

const CLONE = fileURLToPath(new URL('..', import.meta.url));
const CORPUS = join(CLONE, 'native', 'fuzz', 'corpus');
const FOUND = join(CLONE, '.bullpen', 'fuzz');
const EXAMPLES = join(CLONE, 'schemas', 'examples');
const TARGETS = process.env.CARGO_TARGET_DIR ?? join(CLONE, 'native', 'target');

/** What the compiler adds to every branch and comparison. */
const INSTRUMENTATION = [
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
].join(' ');

/** The defect that is there to be found. */
const PLANTED = 'planted';

/** Each target with the documents that it begins with besides its corpus. */
const SEEDS: Record<string, string[]> = {
  configuration: [
    join(EXAMPLES, 'valid', 'policy'),
    join(EXAMPLES, 'valid', 'result'),
    join(EXAMPLES, 'valid', 'audit'),
  ],
  document: [join(EXAMPLES, 'valid', 'job'), join(EXAMPLES, 'invalid', 'job')],
  intake: [],
  kernel: [],
  patterns: [],
  readers: [],
  sessions: [],
  wire: [],
};

interface Run {
  target: string;
  status: number | NodeJS.Signals;
  output: string;
  /** Inputs that broke a promise. */
  crashes: string[];
}

/** Fuzzes each target for so many seconds, two at a time; a target that finds something is a failure. */
export async function fuzz(o: { seconds: number; only?: string | undefined }): Promise<Tally> {
  const targets = o.only === undefined ? Object.keys(SEEDS) : [o.only];
  const program = buildFuzzers();
  const runs = await inPairs(targets, (target) => runTarget(program, target, o.seconds));
  const tally: Tally = { passed: 0, failures: [], skipped: [] };
  for (const run of runs) {
    console.log(describe(run));
    if (run.status === 0) tally.passed += 1;
    else tally.failures.push(`${run.target}: ${run.crashes.join(', ') || `ended with ${run.status}`}`);
  }
  if (o.only !== undefined) return tally;
  const planted = await runTarget(program, PLANTED, 60);
  const found = planted.crashes.some((crash) => readFileSync(crash, 'latin1').startsWith('def!'));
  if (planted.status !== 0 && found) tally.passed += 1;
  else tally.failures.push(`the planted defect was not found\n${planted.output.slice(-2000)}`);
  return tally;
}

/** Builds the fuzz program if it is out of date, and says where it lies. */
export function buildFuzzers(): string {
  const triple = /^host: (.+)$/m.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout)?.[1] ?? '';
  const place = ['--manifest-path', 'native/Cargo.toml', '--target', triple, '--target-dir', join(TARGETS, 'fuzz')];
  const args = ['build', '--profile', 'fuzz', '--locked', '-p', 'fuzz', ...place];
  console.log(`\n$ cargo ${args.join(' ')}`);
  const env = { ...process.env, RUSTFLAGS: INSTRUMENTATION };
  const { status } = spawnSync('cargo', args, { cwd: CLONE, env, stdio: 'inherit' });
  if (status !== 0) throw new Error('the fuzz program does not build');
  return join(TARGETS, 'fuzz', triple, 'fuzz', 'fuzz');
}

function runTarget(program: string, target: string, seconds: number): Promise<Run> {
  const place = join(FOUND, target);
  const fresh = join(place, 'corpus');
  rmSync(target === PLANTED ? place : join(place, 'crashes'), { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const crashes = join(place, 'crashes');
  mkdirSync(crashes, { recursive: true });
  const limits = [`-max_total_time=${seconds}`, '-timeout=25', '-rss_limit_mb=1024', `-artifact_prefix=${crashes}/`];
  const seeds = [join(CORPUS, target), ...(SEEDS[target] ?? [])].filter((directory) => existsSync(directory));
  const command =
    target === 'readers'
      ? [process.execPath, join(CLONE, 'test', 'fuzz', 'readers.ts'), String(seconds), crashes]
      : [program, ...limits, '-print_final_stats=1', fresh, ...seeds];
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = command;
    const env = { ...process.env, BULLPEN_FUZZ_TARGET: target };
    const child = spawn(file, args, { cwd: CLONE, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const kept: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => kept.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => kept.push(chunk));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const output = Buffer.concat(kept).toString();
      const found = readdirSync(crashes).map((name) => join(crashes, name));
      resolve({ target, status: signal ?? code ?? -1, output, crashes: found });
    });
  });
}

/** What came of one target: a line; and if it found something, what it said and the input. */
function describe({ target, status, output, crashes }: Run): string {
  const runs = /(?:Done |number_of_executed_units: )(\d+)/.exec(output)?.[1] ?? '?';
  const line = `${target.padEnd(14)}${runs.padStart(9)} inputs  ${status === 0 ? 'nothing found' : 'FOUND SOMETHING'}`;
  if (status === 0) return line;
  const inputs = crashes.map((crash) => `${crash}:\n${JSON.stringify(readFileSync(crash, 'latin1'))}`);
  return [line, output.slice(-4000), ...inputs].join('\n');
}

async function inPairs<T, R>(items: T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const lane = async () => {
    for (const [at, item] of queue) results[at] = await act(item);
  };
  await Promise.all([lane(), lane()]);
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, only: { type: 'string' } } });
  if (values.only !== undefined && !(values.only in SEEDS)) {
    console.error(`no target ${values.only}; there are ${Object.keys(SEEDS).join(', ')}`);
    process.exit(2);
  }
  const { passed, failures } = await fuzz({ seconds: Number(values.seconds), only: values.only });
  console.log(`\n${passed} passed, ${failures.length} failed${failures.map((failure) => `\n  ${failure}`).join('')}`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}
