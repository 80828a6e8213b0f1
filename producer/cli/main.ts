#!/usr/bin/env node
// The `bullpen` command: words in, an exit code out. Everything it can do is in the verbs.

import process from 'node:process';
import { BullpenError } from '../errors.ts';
import { artifacts } from './artifacts.ts';
import { audit } from './audit.ts';
import { cancel } from './cancel.ts';
import { dead } from './dead.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, exitCodeOfError } from './exit-code.ts';
import { explain as explainVerb } from './explain.ts';
import { queue } from './queue.ts';
import { result } from './result.ts';
import { showError } from './show.ts';
import { state } from './state.ts';
import { submit } from './submit.ts';
import { type Output, writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { validate } from './validate.ts';
import { parseCall, type Verb } from './verb.ts';

const VERBS: ReadonlyMap<string, Verb> = new Map(
  Object.entries({ submit, result, artifacts, state, cancel, queue, dead, audit, validate, explain: explainVerb }),
);

process.exitCode = await main(process.argv.slice(2));

async function main([word, ...args]: string[]): Promise<number> {
  const { stdin, stdout, stderr } = process;
  // The reader left (`| head`): there is nobody to tell.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILED));
  try {
    if (word === '--help' || word === '-h' || word === 'help') return show(stdout, overview());
    const verb = VERBS.get(word ?? '');
    if (!verb) throw new UsageError(unknownWord(word));
    const { values, positionals } = parseCall(verb, args);
    if (values['help'] === true) return show(stdout, verb.help);
    return await verb.run({ values, positionals, stdin, stdout, stderr });
  } catch (error) {
    return explain(error, { stdout, stderr, json: args.includes('--json') });
  }
}

function explain(error: unknown, { stdout, stderr, json }: { stdout: Output; stderr: Output; json: boolean }): number {
  if (error instanceof UsageError) {
    writeText(stderr, `bullpen: ${error.message}\n  bullpen --help shows how to call it.\n`);
    return EXIT_USAGE;
  }
  if (isSystemError(error)) {
    writeText(stderr, `bullpen: ${error.message}\n`);
    return EXIT_FAILED;
  }
  const exitCode = exitCodeOfError(error);
  if (json) writeJson(stdout, { error });
  else if (error instanceof BullpenError) showError(error, stderr);
  return exitCode;
}

/** The operating system refused something, such as a full disk; its message names the path. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function unknownWord(word: string | undefined): string {
  const known = [...VERBS.keys()].join(', ');
  return word === undefined ? `say what to do: one of ${known}` : `unknown command ${word}; there are ${known}`;
}

function overview(): string {
  const verbs = [...VERBS].map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}\n`).join('');
  return `bullpen COMMAND …

${verbs}
bullpen COMMAND --help shows options and examples.

Exit codes: 0 the program ran, however it ended; 2 wrong usage; 3 refused (invalid, rejected, unavailable, over quota, conflict,
unknown or expired id); 4 failed, worker-lost, expired, cancelled; 5 Redis unreachable; 6 the wait timed out (the job goes on).

Examples:
  echo 'print(6*7)' | bullpen submit --runtime python --wait -
  bullpen queue --json
`;
}

function show(stdout: Output, text: string): number {
  writeText(stdout, text);
  return EXIT_OK;
}
