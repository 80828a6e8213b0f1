import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { prepareJob } from '../../../producer/document.ts';
import { InvalidJobError } from '../../../producer/errors.ts';
import type { JobInput } from '../../../producer/index.ts';

const UID = 'a'.repeat(26);
const JOB: JobInput = { kind: 'job', version: 1, runtime: 'python', source: 'print(6*7)' };

function prepare(job: JobInput, tenant: string | null = null): ReturnType<typeof prepareJob> {
  return prepareJob(job, { tenant, uid: UID, queue: 'q', signingKeys: null });
}

function documentOf(job: JobInput): Record<string, unknown> {
  return JSON.parse(Buffer.from(prepare(job).document).toString());
}

function issuesOf(job: unknown, tenant: string | null = null): { path: string; rule: string }[] {
  try {
    prepare(job as JobInput, tenant);
  } catch (error) {
    if (error instanceof InvalidJobError) return error.issues.map(({ path, rule }) => ({ path, rule }));
    throw error;
  }
  throw new Error('accepted');
}

test('a job without id and tenant gets its uid and the default', () => {
  expect(prepare(JOB)).toMatchObject({
    uid: UID,
    id: UID,
    tenant: 'default',
    attempts: 1,
    priority: 5,
    expiresInMs: 600_000,
    blobs: [],
  });
  expect(documentOf(JOB)).toEqual({ ...JOB, id: UID, tenant: 'default' });
});

test('the same job is the same document in whatever order it was written', () => {
  const [a, b] = [
    { ...JOB, id: 'x', env: { A: '1', B: '2' } },
    { env: { B: '2', A: '1' }, id: 'x', ...JOB },
  ].map((job) => prepare(job));
  expect(a?.sha256).toBe(b?.sha256);
  expect(a?.sha256).toBe(
    createHash('sha256')
      .update(a?.document ?? '')
      .digest('hex'),
  );
  expect(prepare({ ...JOB, id: 'x', args: ['1'] }).sha256).not.toBe(a?.sha256);
});

test("the producer's tenant is filled in and no other is taken", () => {
  expect(prepare(JOB, 'acme').tenant).toBe('acme');
  expect(prepare({ ...JOB, tenant: 'acme' }, 'acme').tenant).toBe('acme');
  expect(prepare({ ...JOB, tenant: 'other' }).tenant).toBe('other');
  expect(issuesOf({ ...JOB, tenant: 'other' }, 'acme')).toEqual([{ path: 'tenant', rule: 'tenant' }]);
});

test('content up to 64 KiB stays in the document, more lies beside it', () => {
  const small = 'x'.repeat(64 * 1024);
  const large = `${small}é`;
  const job: JobInput = {
    ...JOB,
    stdin: { text: large },
    files: [
      { path: 'small', text: small },
      { path: 'large', base64: Buffer.alloc(3_000_000, 7).toString('base64'), executable: true },
    ],
  };
  const { document, blobs } = prepare(job);
  const { stdin, files } = JSON.parse(Buffer.from(document).toString());
  expect(blobs.map((blob) => blob.length).sort()).toEqual([3_000_000, 64 * 1024 + 2]);
  const sha256 = createHash('sha256').update(large).digest('hex');
  expect(stdin).toEqual({ blob: `sha256:${sha256}`, bytes: 64 * 1024 + 2 });
  expect(files[0]).toEqual({ path: 'small', text: small });
  expect(files[1]).toMatchObject({ path: 'large', bytes: 3_000_000, executable: true });
  expect(files[1]).not.toHaveProperty('base64');
});

test('what breaks the contract is named', () => {
  expect(issuesOf({ ...JOB, runtime: undefined })).toEqual([{ path: 'runtime', rule: 'required' }]);
  expect(issuesOf({ ...JOB, polcy: {} })).toEqual([{ path: 'polcy', rule: 'additionalProperties' }]);
  expect(issuesOf({ ...JOB, id: null })).toContainEqual({ path: 'id', rule: 'type' });
  expect(issuesOf({ ...JOB, priority: Number.NaN })).toContainEqual({ path: 'priority', rule: 'type' });
  expect(issuesOf({ ...JOB, source: '\ud800' })[0]).toMatchObject({ rule: 'encoding' });
  expect(
    issuesOf(JSON.parse(`{"kind":"job","version":1,"runtime":"python","source":"","env":{"__proto__":"x"}}`))[0],
  ).toMatchObject({
    rule: 'forbidden-key',
  });
});

test.each([null, 'text', 7, [], undefined, () => 1])('%j is no job', (job) => {
  expect(issuesOf(job)).toEqual([{ path: '', rule: 'type' }]);
});

test('what is not JSON is no job', () => {
  const circular: Record<string, unknown> = { ...JOB };
  circular['labels'] = circular;
  expect(issuesOf(circular)).toEqual([{ path: '', rule: 'json' }]);
  expect(issuesOf({ ...JOB, priority: 5n })).toEqual([{ path: '', rule: 'json' }]);
});

test('inputs above 16 MiB and documents above 2 MiB are refused by size', () => {
  const files = Array.from({ length: 5 }, (_, i) => ({ path: `f${i}`, text: 'x'.repeat(4_000_000) }));
  expect(issuesOf({ ...JOB, files })[0]).toMatchObject({ path: 'files', rule: 'size' });
  expect(prepare({ ...JOB, files: files.slice(1) }).blobs).toHaveLength(4);
  expect(issuesOf({ ...JOB, source: 'x'.repeat(2 * 1024 * 1024) })[0]).toMatchObject({ rule: 'size' });
});
