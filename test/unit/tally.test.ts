import { expect, test } from 'vitest';
import { tallyLibtest, tallyVitest } from '../../ops/tally.ts';

test('libtest lines are counted by their verdict', () => {
  const output = [
    'running 3 tests',
    'test plan::tests::one ... ok',
    'test tests::two ... FAILED',
    'test three ... ignored, needs a moon',
    'test src/lib.rs - (line 3) ... ok',
    'test result: FAILED. 2 passed; 1 failed; 1 ignored',
  ].join('\n');
  expect(tallyLibtest(output)).toEqual({ passed: 2, failures: ['tests::two'], skipped: ['three'] });
});

test('a vitest report is counted by assertion, skipped ones by name', () => {
  const assertionResults = [
    { fullName: 'a', status: 'passed' },
    { fullName: 'b', status: 'failed' },
    { fullName: 'c', status: 'pending' },
    { fullName: 'd', status: 'todo' },
  ];
  const report = JSON.stringify({
    testResults: [{ name: 'x.test.ts', status: 'failed', message: '', assertionResults }],
  });
  expect(tallyVitest(report)).toEqual({ passed: 1, failures: ['b'], skipped: ['c', 'd'] });
});

test('a file of tests that could not be loaded is a failure', () => {
  const file = { name: 'x.test.ts', status: 'failed', message: 'no module y\nstack', assertionResults: [] };
  expect(tallyVitest(JSON.stringify({ testResults: [file] })).failures).toEqual(['x.test.ts: no module y']);
});
