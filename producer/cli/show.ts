// How results and errors look to a person. Machines get the documents themselves (`--json`).

import { Buffer } from 'node:buffer';
import type { Outcome, OutputStream, Result } from '../../schemas/types.ts';
import { type BullpenError, InvalidJobError } from '../errors.ts';
import { type Output, writeBytes, writeJson, writeText } from './terminal.ts';

/** Shows a result: the document with `json`, else what the program wrote, and on stderr how it ended. */
export function showResult(result: Result, out: { stdout: Output; stderr: Output }, json: boolean): void {
  if (json) {
    writeJson(out.stdout, result);
    return;
  }
  if (result.stdout) writeBytes(out.stdout, streamBytes(result.stdout));
  if (result.stderr) writeBytes(out.stderr, streamBytes(result.stderr));
  writeText(out.stderr, `bullpen: job ${result.id ?? '(no id)'}: ${describeOutcome(result.outcome)}\n`);
}

/** One line on how a job ended. */
export function describeOutcome(outcome: Outcome): string {
  const { kind, ...facts } = outcome;
  const told = Object.entries(facts).map(([name, value]) => `${name} ${value}`);
  return [kind, ...told].join(', ');
}

/** Shows one of our errors and what to do about it. */
export function showError(error: BullpenError, stderr: Output): void {
  if (error instanceof InvalidJobError) {
    const issues = error.issues.map(({ rule, message }) => `  ${message} (${rule})\n`);
    writeText(stderr, `bullpen: invalid job\n${issues.join('')}`);
  } else {
    writeText(stderr, `bullpen: ${error.message}\n`);
  }
  writeText(stderr, `  ${error.remedy}\n`);
}

function streamBytes(stream: OutputStream): Uint8Array {
  return stream.text !== undefined ? Buffer.from(stream.text) : Buffer.from(stream.base64 ?? '', 'base64');
}
