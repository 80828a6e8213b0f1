import { expect, test } from 'vitest';
import {
  BullpenError,
  DeadLetterGoneError,
  ERRORS,
  IdempotencyConflictError,
  InvalidJobError,
  JobNotFoundError,
  ProducerClosedError,
  QueueUnavailableError,
  QuotaExceededError,
  ResultCorruptError,
  ResultExpiredError,
  WaitTimeoutError,
} from '../../../producer/errors.ts';

const ONE_OF_EACH: BullpenError[] = [
  new InvalidJobError([{ path: 'runtime', rule: 'required', message: 'is missing' }]),
  new IdempotencyConflictError('a'),
  new QuotaExceededError('a', { quota: 'tenant-queued-jobs', limit: 10, retryAfterMs: 500 }),
  new QueueUnavailableError('a', 'unknown', new Error('connect ECONNREFUSED')),
  new WaitTimeoutError('a', 100, { queue: 'default', state: 'queued', liveWorkers: 0 }),
  new JobNotFoundError('a'),
  new ResultExpiredError('a', 'exited'),
  new DeadLetterGoneError('a', 'retried', 'a.retry-1'),
  new ResultCorruptError('a', 'its sha256 differs'),
  new ProducerClosedError(),
];

test('the table is closed: every code has one class, and every class a code', () => {
  expect(ONE_OF_EACH.map(({ code }) => code).sort()).toEqual(Object.keys(ERRORS).sort());
});

test.each(ONE_OF_EACH.map((error) => [error.name, error] as const))('%s says what to do', (name, error) => {
  expect(error).toBeInstanceOf(BullpenError);
  expect(error.constructor.name).toBe(name);
  expect(error.remedy).toMatch(/\w.*\.$/);
  expect(JSON.parse(JSON.stringify(error))).toMatchObject({
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    remedy: error.remedy,
  });
  expect(JSON.stringify(error)).not.toContain('stack');
});

test('retrying helps against quotas, outages and short patience only', () => {
  const retryable = Object.entries(ERRORS).filter(([, entry]) => entry.retryable);
  expect(retryable.map(([code]) => code)).toEqual(['quota-exceeded', 'queue-unavailable', 'wait-timeout']);
});

test('an error as JSON has the fields of its class', () => {
  expect(JSON.parse(JSON.stringify(ONE_OF_EACH[0]))).toMatchObject({ issues: [{ path: 'runtime', rule: 'required' }] });
  expect(JSON.parse(JSON.stringify(ONE_OF_EACH[2]))).toMatchObject({
    quota: 'tenant-queued-jobs',
    limit: 10,
    retryAfterMs: 500,
  });
  expect(JSON.parse(JSON.stringify(ONE_OF_EACH[3]))).toMatchObject({ id: 'a', accepted: 'unknown' });
});

test('a wait without workers says so', () => {
  expect(ONE_OF_EACH[4]?.message).toBe(
    'job a has no result after 100 ms (state queued, no live worker on queue default)',
  );
});
