// The public API. Loads no native code and needs Node 20.

import type { Producer } from './api.ts';
import { type ProducerOptions, parseOptions } from './options.ts';
import { RedisProducer } from './producer.ts';

export type { QuotaName } from '../protocol/index.ts';
export type { Outcome, OutcomeKind, Policy, Result } from '../schemas/types.ts';
export type {
  DeadFilter,
  DeadJobs,
  DeadLetter,
  DeadLetters,
  DeadReason,
  JobHandle,
  JobInput,
  JobState,
  OpenedLetter,
  Producer,
  QueueStats,
  RunAllOptions,
  Settled,
  SubmitOptions,
  WaitOptions,
} from './api.ts';
export {
  BullpenError,
  DeadLetterGoneError,
  type DeadLetterProblem,
  type ErrorCode,
  IdempotencyConflictError,
  InvalidJobError,
  JobNotFoundError,
  ProducerClosedError,
  QueueUnavailableError,
  QuotaExceededError,
  ResultCorruptError,
  ResultExpiredError,
  WaitTimeoutError,
} from './errors.ts';
export type { ProducerOptions } from './options.ts';

/**
 * A producer for one queue. Lazy: nothing is connected before the first call. Throws a `TypeError` naming an option that is wrong or unknown.
 *
 * ```ts
 * const producer = createProducer({ redis: 'redis://127.0.0.1:6379' });
 * const result = await producer.run({ kind: 'job', version: 1, runtime: 'python', source: 'print(6*7)' });
 * await producer.close();
 * ```
 */
export function createProducer(options: ProducerOptions): Producer {
  return new RedisProducer(parseOptions(options));
}
