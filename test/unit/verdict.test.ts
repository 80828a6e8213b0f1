import { expect, test } from 'vitest';
import { describeOutcome, judge } from '../../ops/verdict.ts';
import type { Result } from '../../schemas/types.ts';

const result = (fields: Record<string, unknown>) => ({ artifacts: [], ...fields }) as unknown as Result;

test('an outcome is compared field by field', () => {
  const seen = result({ outcome: { kind: 'exited', exitCode: 1, phase: 'run' }, stdout: { text: 'x' } });
  expect(judge({ kind: 'exited', exitCode: 1, stdout: 'x' }, seen)).toEqual([]);
  expect(judge({ kind: 'exited', exitCode: 0, stdout: 'y' }, seen)).toEqual([
    'exitCode: 1 instead of 0',
    'stdout: "x" instead of "y"',
  ]);
});

test('an artifact is compared by its whole content', () => {
  const artifacts = [{ path: 'out/a', base64: 'aGk=' }];
  const seen = result({ outcome: { kind: 'exited', exitCode: 0, phase: 'run' }, artifacts });
  expect(judge({ kind: 'exited', artifacts: { 'out/a': 'hi' } }, seen)).toEqual([]);
  expect(judge({ kind: 'exited', artifacts: { 'out/b': 'hi' } }, seen)).toEqual(['out/b: nothing instead of "hi"']);
});

test('an outcome is described in a word or two', () => {
  expect(describeOutcome(result({ outcome: { kind: 'exited', exitCode: 1, phase: 'build' } }))).toBe(
    'exited 1 (build)',
  );
  expect(describeOutcome(result({ outcome: { kind: 'signaled', signal: 'SIGSEGV', phase: 'run' } }))).toBe(
    'signaled SIGSEGV',
  );
  expect(describeOutcome(result({ outcome: { kind: 'wall-time-exceeded', phase: 'run' } }))).toBe('wall-time-exceeded');
});
