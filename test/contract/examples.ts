/** The example documents of the contract, for every test that puts them through a door. */
import { readdirSync, readFileSync } from 'node:fs';
import {
  checkAuditRecord,
  checkResult,
  type Parsed,
  parseJob,
  parsePolicy,
  parseWorkerConfig,
} from '../../schemas/parse.ts';

/** The folders below `valid` and `invalid`. */
export const DOCUMENT_KINDS = ['job', 'policy', 'result', 'audit', 'worker-config'] as const;
export type ExampleKind = (typeof DOCUMENT_KINDS)[number];

/** One file. `name` is its path below `valid` or `invalid`, such as `job/bom.json`. */
export type Example = { kind: ExampleKind; name: string; bytes: Buffer };
/** A file that must be refused, with the first issue that every door must name. */
export type InvalidExample = Example & { expected: { path: string; rule: string } };

const EXAMPLES = new URL('../../schemas/examples/', import.meta.url);

/** What each kind's closed door says. */
export const DOORS: Record<ExampleKind, (bytes: Uint8Array | string) => Parsed<unknown>> = {
  job: parseJob,
  policy: parsePolicy,
  result: checkResult,
  audit: checkAuditRecord,
  'worker-config': parseWorkerConfig,
};

function list(folder: 'valid' | 'invalid'): Example[] {
  return DOCUMENT_KINDS.flatMap((kind) =>
    readdirSync(new URL(`${folder}/${kind}/`, EXAMPLES))
      .sort()
      .map((file) => ({
        kind,
        name: `${kind}/${file}`,
        bytes: readFileSync(new URL(`${folder}/${kind}/${file}`, EXAMPLES)),
      })),
  );
}

/** Every document that must pass. */
export function validExamples(): Example[] {
  return list('valid');
}

/** The first issue of each invalid example, by name. */
export function expectedIssues(): Record<string, { path: string; rule: string }> {
  return JSON.parse(readFileSync(new URL('expected.json', EXAMPLES), 'utf8'));
}

/** Every document that must be refused. */
export function invalidExamples(): InvalidExample[] {
  const issues = expectedIssues();
  return list('invalid').map((example) => {
    const expected = issues[example.name];
    if (expected === undefined) throw new Error(`expected.json says nothing about ${example.name}`);
    return { ...example, expected };
  });
}
