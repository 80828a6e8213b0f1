// The readers in TypeScript, fed with documents that are nearly right for so many seconds: none throws, none takes long, and the
// door in Rust says the same of every job. `node readers.ts SECONDS DIRECTORY` writes an input that breaks this to DIRECTORY.

import { createHash, randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkResult, JOB_MAX_BYTES, parseAuditRecord, parseJob, readResult } from '../../schemas/parse.ts';
import { invalidExamples, validExamples } from '../contract/examples.ts';
import { mutantsOf } from '../contract/mutants.ts';

const addon = createRequire(import.meta.url)(
  fileURLToPath(new URL('../../native/bin/bullpen.node', import.meta.url)),
) as { parseJob(bytes: Buffer, maxBytes: number): string };

const SLOWEST_MS = 1_000;
const ROUND = 500;

const [seconds = '20', directory = '.'] = process.argv.slice(2);
const documents = [...validExamples(), ...invalidExamples()].map(({ bytes }) => bytes);
const until = performance.now() + Number(seconds) * 1_000;
let done = 0;
while (performance.now() < until) {
  const seed = randomInt(2 ** 32);
  for (const mutant of mutantsOf(documents, { count: ROUND, seed })) {
    done += 1;
    const wrong = whatIsWrongWith(mutant);
    if (wrong !== null) {
      const file = join(directory, `crash-${createHash('sha1').update(mutant).digest('hex')}`);
      writeFileSync(file, mutant);
      console.error(`${wrong}\nseed ${seed}, written to ${file}`);
      process.exit(1);
    }
  }
}
console.log(`Done ${done}`);

function whatIsWrongWith(bytes: Buffer): string | null {
  const began = performance.now();
  try {
    const text = bytes.toString();
    const readers = { readResult, checkResult, parseAuditRecord };
    for (const [name, read] of Object.entries(readers)) {
      const verdict = read(bytes);
      if (verdict.ok === false && verdict.issues.length === 0) return `${name} refuses without a reason`;
      if (verdict.ok) JSON.parse(text);
    }
    const here = parseJob(bytes);
    const there = JSON.parse(addon.parseJob(bytes, JOB_MAX_BYTES)) as { ok: boolean };
    if (here.ok !== there.ok) return `TypeScript ${JSON.stringify(here)}, Rust ${JSON.stringify(there)}`;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const took = performance.now() - began;
  return took > SLOWEST_MS ? `took ${took} ms` : null;
}
