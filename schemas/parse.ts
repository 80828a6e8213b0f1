/**
 * The door: every document from outside comes in here, at the producer and again at the worker, or not at all.
 *
 * Bytes → `json-text.ts` (size, encoding, strict JSON) → schema → `rules.ts`. Each stage only sees what the one before let through.
 * The Rust door makes the same verdict; `test/contract` compares the two on every example.
 */
import type { Issue, Parsed } from './issue.ts';
import { parseText, readText } from './json-text.ts';
import { checkPolicy } from './policy-rules.ts';
import { checkJob, checkResultContents, checkWorkerConfig } from './rules.ts';
import { type DocumentKind, issuesOf, schemaCheck } from './schema-check.ts';
import type {
  AuditRecord,
  AuditReport,
  CheckReport,
  Explanation,
  Job,
  Policy,
  Result,
  WorkerConfig,
  WorkerOffer,
} from './types.ts';

export type { Issue, Parsed } from './issue.ts';
export { INPUT_MAX_BYTES } from './rules.ts';

const MIB = 1024 * 1024;

/** A job document in a queue, a policy, a worker configuration. Bytes. */
export const JOB_MAX_BYTES = 2 * MIB;
/** A job document that has no queue and so brings all its content inline: 16 MiB of inputs fit as base64. Bytes. */
export const RUN_MAX_BYTES = 24 * MIB;
/** A result document with its content inline; what is larger lies in blobs. Bytes. */
export const RESULT_MAX_BYTES = 256 * MIB;
/** One audit record. Bytes. */
export const AUDIT_MAX_BYTES = MIB / 16;

/** What a worker tells its queue about itself. Bytes. */
export const OFFER_MAX_BYTES = MIB / 16;

/** Most issues that are listed for one document. */
const ISSUES_MAX = 20;

/** How much a door takes; the default is that of the document's kind. */
export type DoorOptions = { maxBytes?: number | undefined };

/** Checks a job document. Host-dependent rules (ceilings, unknown runtime or policy) are the engine's. */
export function parseJob(document: Uint8Array | string, { maxBytes = JOB_MAX_BYTES }: DoorOptions = {}): Parsed<Job> {
  return parse<Job>(document, maxBytes, (value) => check('job', value, checkJob));
}

/** Checks a policy that stands alone. */
export function parsePolicy(
  document: Uint8Array | string,
  { maxBytes = JOB_MAX_BYTES }: DoorOptions = {},
): Parsed<Policy> {
  return parse<Policy>(document, maxBytes, (value) => check('policy', value, (policy) => checkPolicy('', policy)));
}

/** Checks a worker's configuration. What it leaves out is not filled in: see `defaults.ts`. */
export function parseWorkerConfig(
  document: Uint8Array | string,
  { maxBytes = JOB_MAX_BYTES }: DoorOptions = {},
): Parsed<WorkerConfig> {
  return parse<WorkerConfig>(document, maxBytes, (value) => check('worker-config', value, checkWorkerConfig));
}

/** Checks a result as it must be written: closed. */
export function checkResult(document: Uint8Array | string): Parsed<Result> {
  return parse<Result>(document, RESULT_MAX_BYTES, (value) => check('result', value, checkResultContents));
}

/** Reads a result that a newer worker may have written: fields that this version doesn't know are tolerated. */
export function readResult(document: Uint8Array | string): Parsed<Result> {
  return parse<Result>(document, RESULT_MAX_BYTES, (value) => check('result', value, checkResultContents, 'open'));
}

/** Checks an explanation of a job as it must be written: closed. */
export function checkExplanation(document: Uint8Array | string): Parsed<Explanation> {
  return parse<Explanation>(document, JOB_MAX_BYTES, (value) => check('explanation', value, () => []));
}

/** Checks a report of `bullpen-worker check` as it must be written: closed. */
export function checkReport(document: Uint8Array | string): Parsed<CheckReport> {
  return parse<CheckReport>(document, JOB_MAX_BYTES, (value) => check('check', value, () => []));
}

/** Checks a report of `bullpen audit verify` as it must be written: closed. */
export function checkAuditReport(document: Uint8Array | string): Parsed<AuditReport> {
  return parse<AuditReport>(document, RESULT_MAX_BYTES, (value) => check('audit-report', value, () => []));
}

/** Checks an offer as a worker must write it: closed. */
export function checkOffer(document: Uint8Array | string): Parsed<WorkerOffer> {
  return parse<WorkerOffer>(document, OFFER_MAX_BYTES, (value) => check('offer', value, () => []));
}

/** Reads an offer that a newer worker may have written: fields that this version doesn't know are tolerated. */
export function readOffer(document: Uint8Array | string): Parsed<WorkerOffer> {
  return parse<WorkerOffer>(document, OFFER_MAX_BYTES, (value) => check('offer', value, () => [], 'open'));
}

/** Checks an audit record as it must be written: closed. */
export function checkAuditRecord(document: Uint8Array | string): Parsed<AuditRecord> {
  return parse<AuditRecord>(document, AUDIT_MAX_BYTES, (value) => check('audit', value, () => []));
}

/** Reads an audit record that a newer worker may have written: fields that this version doesn't know are tolerated. */
export function parseAuditRecord(document: Uint8Array | string): Parsed<AuditRecord> {
  return parse<AuditRecord>(document, AUDIT_MAX_BYTES, (value) => check('audit', value, () => [], 'open'));
}

function parse<T>(
  document: Uint8Array | string,
  maxBytes: number,
  checkValue: (value: unknown) => Parsed<T>,
): Parsed<T> {
  const text = readText(document, maxBytes);
  if (typeof text !== 'string') return refused([text]);
  const parsed = parseText(text);
  return 'issue' in parsed ? refused([parsed.issue]) : checkValue(parsed.value);
}

function check<K extends DocumentKind, T>(
  kind: K,
  value: unknown,
  rules: (value: T) => Issue[],
  openness: 'closed' | 'open' = 'closed',
): Parsed<T> {
  const schema = schemaCheck(kind, openness);
  if (!schema(value)) return refused(issuesOf(schema, value));
  const document = value as T;
  const issues = rules(document);
  return issues.length === 0 ? { ok: true, value: document } : refused(issues.slice(0, ISSUES_MAX));
}

function refused(issues: Issue[]): { ok: false; issues: Issue[] } {
  return { ok: false, issues };
}
