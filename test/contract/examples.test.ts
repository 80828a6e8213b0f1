import { expect, test } from 'vitest';
import { DOORS, expectedIssues, invalidExamples, validExamples } from './examples.ts';

test.for(validExamples())('$name is accepted', ({ kind, bytes }) => {
  expect(DOORS[kind](bytes)).toEqual({ ok: true, value: JSON.parse(bytes.toString()) });
});

test.for(validExamples())('$name is accepted as a string too', ({ kind, bytes }) => {
  expect(DOORS[kind](bytes.toString()).ok).toBe(true);
});

test.for(invalidExamples())('$name is refused by name', ({ kind, bytes, expected }) => {
  const answer = DOORS[kind](bytes);
  if (answer.ok) throw new Error('accepted');
  const [first, ...others] = answer.issues;
  expect({ path: first?.path, rule: first?.rule }).toEqual(expected);
  expect(others).toEqual([]);
  expect(first?.message.startsWith(`${expected.path || 'the document'} `)).toBe(true);
  expect(first?.message.length).toBeLessThanOrEqual(1000);
});

test('every expected issue has its example', () => {
  expect(
    invalidExamples()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(Object.keys(expectedIssues()).sort());
});

test('there are enough of them', () => {
  expect(validExamples().filter(({ kind }) => kind === 'job').length).toBeGreaterThanOrEqual(16);
  expect(invalidExamples().length).toBeGreaterThanOrEqual(70);
});

test('no example pollutes a prototype', () => {
  for (const { kind, bytes } of invalidExamples()) DOORS[kind](bytes);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});
