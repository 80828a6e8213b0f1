// `bullpen audit verify`: are these exports what was signed, and what the records say of each other?

import { type SignedState, verifyAudit } from '../../../audit/verify.ts';
import type { AuditFault, AuditReport } from '../../../schemas/types.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit-code.ts';
import { writeJson, writeText } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { type Call, optionalText } from '../verb.ts';
import type { AuditAction } from './action.ts';
import { readPublicKey } from './key-files.ts';

export const VERIFY_OPTIONS = ['checkpoints', 'key', 'known', 'trimmed'] as const;

export const verify: AuditAction = {
  options: VERIFY_OPTIONS,
  async run(call) {
    const report = await verifyCall(call);
    tellReport(call, report);
    return report.ok ? EXIT_OK : EXIT_FAILED;
  },
};

/** Verifies what the call names. */
export async function verifyCall(call: Call): Promise<AuditReport> {
  if (call.positionals.length === 0) throw new UsageError('name the exports to verify, the oldest first');
  const signed = await signedBy(call);
  return verifyAudit({ exports: call.positionals, signed, trimmed: call.values['trimmed'] === true });
}

/** Prints a report: faults to stderr, the first one first. */
export function tellReport({ values, stdout, stderr }: Call, report: AuditReport): void {
  if (values['json'] === true) writeJson(stdout, report);
  else tellPerson(report, { stdout, stderr });
}

function tellPerson(report: AuditReport, { stdout, stderr }: Pick<Call, 'stdout' | 'stderr'>): void {
  for (const fault of report.faults) writeText(stderr, `bullpen: ${lineOf(fault)}\n`);
  for (const { log, first, last, signed, openVerdicts } of report.logs) {
    const open = openVerdicts === 0 ? '' : `, ${openVerdicts} verdicts stand alone`;
    writeText(stdout, `${log}  records ${first} to ${last}, signed up to ${signed}${open}\n`);
  }
  if (report.checkpoints === null) {
    writeText(stderr, 'bullpen: no checkpoints given: whoever can write to Redis could have made all of this up\n');
  }
  writeText(
    stdout,
    `${report.ok ? 'verified' : 'NOT verified'}: ${report.records} records, ${tellCheckpoints(report)}\n`,
  );
}

async function signedBy(call: Call): Promise<SignedState | null> {
  const [directory, key] = [optionalText(call, 'checkpoints'), optionalText(call, 'key')];
  const known = [call.values['known'] ?? []].flat().map(String);
  if (directory === undefined && key === undefined && known.length === 0) return null;
  if (directory === undefined || key === undefined) {
    throw new UsageError('--checkpoints DIR and --key FILE belong together, and --known to both');
  }
  return { directory, key: await readPublicKey(key), known };
}

function lineOf({ rule, message, file, line, seq, upTo }: AuditFault): string {
  const place = file === null ? '' : `${file}${line === null ? '' : `:${line}`}: `;
  const range = seq === null || upTo === undefined ? '' : `, between ${seq} and ${upTo}`;
  return `${place}${message}${range} (${rule})`;
}

function tellCheckpoints({ checkpoints }: AuditReport): string {
  return checkpoints === null ? 'none of them signed' : `${checkpoints} checkpoints`;
}
