import { expect, test } from 'vitest';
import { MAX_DEPTH, parseText, readText } from '../../schemas/json-text.ts';

const verdict = (text: string): unknown => {
  const parsed = parseText(text);
  return 'issue' in parsed ? [parsed.issue.path, parsed.issue.rule] : parsed.value;
};

test.for([
  '0',
  '-1',
  '""',
  '"\\u00e9\\ud83d\\ude00\\/"',
  'true',
  ' null ',
  '[]',
  '{}',
  '[[],{}]',
  '{"":{"":[1,"a",false]}}',
  '{"a":1,"b":{"a":1}}',
])('%s is read as JSON.parse reads it', (text) => expect(verdict(text)).toEqual(JSON.parse(text)));

test.for([
  '[1 2]',
  '[,1]',
  '[1,]',
  '{"a"}',
  '{"a":}',
  '{"a":1 "b":2}',
  '{a:1}',
  '{"a":1}}',
  ']',
  'tru',
  'nulll',
  '.5',
  '1.',
  '-',
  '01',
  '0x1',
  '"\\',
  '"\\u00g0"',
  '"',
  '[',
  '{',
  '"\t"',
  '\u2028',
  '\u0000',
])('%j is not JSON', (text) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
  expect(verdict(text)).toEqual(['', 'json']);
});

test('the place of a syntax error is named', () => {
  const parsed = parseText('{\n  "a": oops\n}');
  expect('issue' in parsed && parsed.issue.message).toContain('line 2, column 8');
});

test('nesting is allowed to the limit and not beyond', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  expect(verdict(nested(MAX_DEPTH))).toEqual(JSON.parse(nested(MAX_DEPTH)));
  expect(verdict(nested(MAX_DEPTH + 1))).toEqual(['', 'depth']);
  expect(verdict(`[${nested(31)},${nested(31)}]`)).not.toEqual(['', 'depth']);
});

test('the first issue in the order of the text is the one', () => {
  expect(verdict('{"a":1.5,"a":2,')).toEqual(['a', 'number']);
  expect(verdict('{"a":1,"a":1.5,')).toEqual(['a', 'duplicate-key']);
  expect(verdict('[{"b":[1,{"__proto__":')).toEqual(['[0].b[1].__proto__', 'forbidden-key']);
});

test('the same key in different objects is no duplicate', () => {
  expect(verdict('[{"a":1},{"a":1,"b":{"a":2}}]')).toEqual([{ a: 1 }, { a: 1, b: { a: 2 } }]);
});

test('a string with an unpaired surrogate is not text', () => {
  expect(readText('"\ud800"', 10)).toMatchObject({ rule: 'encoding' });
  expect(readText('"\ud83d\ude00"', 10)).toBe('"\ud83d\ude00"');
});

test('size is counted in bytes, also of a string', () => {
  expect(readText('éé', 4)).toBe('éé');
  expect(readText('éé', 3)).toMatchObject({ rule: 'size' });
});
