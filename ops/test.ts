// Runs the suites, holds each to its budget, and says at the end what came of them.

import { readFileSync } from 'node:fs';
import { buildFuzzers } from './fuzz.ts';
import { build as buildMutants } from './mutants/build.ts';
import { ON_REQUEST, SUITES, type SuiteName } from './suites.ts';
import type { Tally } from './tally.ts';

const BUDGET_MINUTES = readJson<Record<SuiteName | 'build', number>>('./test-budget.json');
const ALLOWED_SKIPS = readJson<Record<string, string>>('../test/skips.json');
// A busy machine may take longer than planned; twice as long means that something is wrong.
const TOLERATED_OVERRUN = 2;

interface Report extends Tally {
  suite: SuiteName;
  minutes: number;
}

const suites = chosenSuites(process.argv.slice(2));
const buildMinutes = Number(process.env.BULLPEN_TEST_BUILD_SECONDS ?? 0) / 60 + buildFor(suites);
const reports: Report[] = [];
for (const suite of suites) reports.push(await runSuite(suite));
printReports(reports);
process.exitCode = reports.every(({ failures }) => failures.length === 0) ? 0 : 1;

function chosenSuites(names: string[]): SuiteName[] {
  const all = Object.keys(SUITES) as SuiteName[];
  const unknown = names.filter((name) => !(all as string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`no suite ${unknown.join(', ')}; there are ${all.join(', ')}`);
    process.exit(2);
  }
  const always = all.filter((suite) => !(ON_REQUEST as readonly string[]).includes(suite));
  return names.length === 0 ? always : all.filter((suite) => names.includes(suite));
}

async function runSuite(suite: SuiteName): Promise<Report> {
  const started = performance.now();
  const tally = await SUITES[suite]().catch((error: unknown): Tally => {
    return { passed: 0, failures: [`${suite}: ${error instanceof Error ? error.message : error}`], skipped: [] };
  });
  const minutes = (performance.now() - started) / 60_000;
  const failures = [...tally.failures, ...tally.skipped.filter((name) => !(name in ALLOWED_SKIPS)).map(unexplained)];
  if (tally.passed + tally.failures.length === 0) failures.push(`${suite}: not a single test ran`);
  if (minutes > BUDGET_MINUTES[suite] * TOLERATED_OVERRUN) failures.push(`${suite}: more than twice its budget`);
  return { ...tally, suite, minutes, failures };
}

/** Builds what some suites run on besides the product: one that does not build fails its suite too. In minutes. */
function buildFor(chosen: SuiteName[]): number {
  const started = performance.now();
  for (const [suite, build] of [['mutants', buildMutants] as const, ['fuzz', buildFuzzers] as const]) {
    try {
      if (chosen.includes(suite)) build();
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  }
  return (performance.now() - started) / 60_000;
}

function unexplained(name: string): string {
  return `skipped, and not in test/skips.json: ${name}`;
}

function printReports(all: Report[]): void {
  console.log(
    `\n${'suite'.padEnd(12)}${'passed'.padStart(8)}${'failed'.padStart(8)}${'minutes'.padStart(9)}${'budget'.padStart(8)}`,
  );
  console.log(
    `${'build'.padEnd(28)}${buildMinutes.toFixed(2).padStart(9)}${BUDGET_MINUTES.build.toFixed(2).padStart(8)}`,
  );
  for (const { suite, passed, failures, minutes } of all) {
    const budget = BUDGET_MINUTES[suite];
    const numbers = `${String(passed).padStart(8)}${String(failures.length).padStart(8)}`;
    const over = minutes > budget ? '  over budget' : '';
    console.log(
      `${suite.padEnd(12)}${numbers}${minutes.toFixed(2).padStart(9)}${budget.toFixed(2).padStart(8)}${over}`,
    );
  }
  const failures = all.flatMap(({ suite, failures }) => failures.map((failure) => `  ${suite}: ${failure}`));
  if (failures.length > 0) console.log(`\nFailed:\n${failures.join('\n')}`);
  const passed = all.reduce((sum, report) => sum + report.passed, 0);
  console.log(`\n${passed} passed, ${failures.length} failed`);
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as T;
}
