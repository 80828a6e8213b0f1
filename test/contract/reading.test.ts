/** Results and audit records are closed when written and open when read. */
import { expect, test } from 'vitest';
import { checkAuditRecord, checkResult, parseAuditRecord, readResult } from '../../schemas/parse.ts';
import { validExamples } from './examples.ts';

const example = (name: string) =>
  JSON.parse(
    validExamples()
      .find((one) => one.name === name)
      ?.bytes.toString() ?? '',
  );

test('a reader tolerates fields that a newer worker writes, at any depth', () => {
  const result = example('result/exited.json');
  const newer = {
    ...result,
    denials: [],
    usage: { ...result.usage, ioBytes: 1 },
    outcome: { ...result.outcome, core: true },
  };
  expect(readResult(JSON.stringify(newer))).toEqual({ ok: true, value: newer });
  expect(checkResult(JSON.stringify(newer)).ok).toBe(false);
});

test('a reader still refuses a result that lacks something or contradicts itself', () => {
  const { sandbox, outcome, ...result } = example('result/exited.json');
  expect(readResult(JSON.stringify({ ...result, sandbox })).ok).toBe(false);
  expect(readResult(JSON.stringify({ ...result, outcome, attribution: 'system' })).ok).toBe(false);
  expect(readResult(JSON.stringify({ ...result, outcome, stdout: { ...result.stdout, base64: '' } })).ok).toBe(false);
  expect(readResult('{"kind":"result","kind":"result"}').ok).toBe(false);
});

test('an audit record with a new field can be read, and not written', () => {
  const record = { ...example('audit/finished.json'), signature: 'x' };
  expect(parseAuditRecord(JSON.stringify(record)).ok).toBe(true);
  expect(checkAuditRecord(JSON.stringify(record)).ok).toBe(false);
});
