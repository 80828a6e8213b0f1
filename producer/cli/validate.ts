import { parseJob, RUN_MAX_BYTES } from '../../schemas/parse.ts';
import { EXIT_OK, EXIT_REFUSED } from './exit-code.ts';
import { readBounded } from './input.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import type { Call, Verb } from './verb.ts';

export const validate: Verb = {
  summary: 'check job documents without submitting them',
  help: `bullpen validate FILE… | -

Prints field, rule and message of everything that breaks the contract. Needs no Redis. What depends on the worker (its runtimes,
named policies, ceilings) is not checked here. Exit code 3 when any document is invalid.

  --json          {"file", "valid", "issues"} per document

Examples:
  bullpen validate job.json
  bullpen validate jobs/*.json --json
`,
  options: {},
  async run(call) {
    if (call.positionals.length === 0) throw new UsageError('name at least one FILE, or - for stdin');
    let exitCode = EXIT_OK;
    for (const file of call.positionals) exitCode = Math.max(exitCode, await check(call, file));
    return exitCode;
  },
};

async function check(call: Call, file: string): Promise<number> {
  const parsed = parseJob(await readBounded(file === '-' ? call.stdin : file, RUN_MAX_BYTES), {
    maxBytes: RUN_MAX_BYTES,
  });
  const issues = parsed.ok ? [] : parsed.issues;
  if (call.values['json'] === true) {
    writeJson(call.stdout, { file, valid: parsed.ok, issues });
  } else {
    const told = issues.map(({ rule, message }) => `${file}: ${message} (${rule})\n`);
    writeText(call.stdout, parsed.ok ? `${file}: valid\n` : told.join(''));
  }
  return parsed.ok ? EXIT_OK : EXIT_REFUSED;
}
