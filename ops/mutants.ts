// `npm run mutants`: leaves out each part of the confinement in turn and says which tests noticed. `-- --only NAME…` or `-- --sample N
// --seed S` for some of them. Verdicts go into the results that are checked in; those of a sample don't, which stops at the first test
// that notices.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, CLONE } from './mutants/build.ts';
import { MUTANTS, type Mutant, named, sample } from './mutants/list.ts';
import { plant } from './mutants/tree.ts';
import { Trial, type Verdict } from './mutants/trial.ts';

const RESULTS = join(CLONE, 'test', 'mutants', 'results.json');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'boolean' }, sample: { type: 'string' }, seed: { type: 'string', default: '1' } },
});
const chosen = choose();
const built = build();
const trial = new Trial({ build: built, tree: plant(built) });
const verdicts: Verdict[] = [];
for (const mutant of chosen) verdicts.push(await tryOut(mutant));
const killed = verdicts.filter(({ killedBy }) => killedBy.length > 0).length;
const unsound = verdicts.flatMap((verdict) => verdict.unsound).length;
console.log(`\n${killed} of ${chosen.length} mutants killed`);
if (values.sample === undefined && unsound === 0) record(verdicts);
process.exitCode = killed === chosen.length && unsound === 0 ? 0 : 1;

/** Puts verdicts among those of other mutants, in the order of the list. */
function record(fresh: readonly Verdict[]): void {
  const old = existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as { mutants: Verdict[] }).mutants : [];
  const verdictOf = ({ name }: Mutant) => [...fresh, ...old].find((verdict) => verdict.name === name);
  const mutants = MUTANTS.flatMap((mutant) => verdictOf(mutant) ?? []).map(({ unsound: _, ...verdict }) => verdict);
  const killed = mutants.filter(({ killedBy }) => killedBy.length > 0).length;
  writeFileSync(RESULTS, `${JSON.stringify({ killed, of: MUTANTS.length, mutants }, null, 2)}\n`);
}

function choose(): readonly Mutant[] {
  if (values.only === true) return named(positionals);
  if (values.sample !== undefined) return sample(Number(values.sample), Number(values.seed));
  return MUTANTS;
}

async function tryOut(mutant: Mutant): Promise<Verdict> {
  const started = performance.now();
  const verdict = await trial.judge(mutant, values.sample !== undefined);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const how = verdict.killedBy.length > 0 ? `killed by ${verdict.killedBy.join(', ')}` : 'SURVIVED';
  const unmoved = verdict.unmoved.length > 0 ? `; not by ${verdict.unmoved.join(', ')}` : '';
  const unsound = verdict.unsound.length > 0 ? `; WRONG with nothing left out: ${verdict.unsound.join(', ')}` : '';
  console.log(`${mutant.name.padEnd(32)}${seconds.padStart(6)} s  ${how}${unmoved}${unsound}`);
  return verdict;
}
