// One connection to the Redis that a call names, for as long as its work takes.

import { AuditGapError } from '../../../auditor/export.ts';
import { CheckpointDirectoryError } from '../../../auditor/notary.ts';
import { Protocol } from '../../../protocol/index.ts';
import { QueueUnavailableError } from '../../errors.ts';
import { Link } from '../../link.ts';
import { type ProducerSettings, parseOptions } from '../../options.ts';
import { UsageError } from '../usage-error.ts';
import { type Call, queueOptions, refuseAsUsage } from '../verb.ts';

const CONNECT_MS = 5_000;

/** What a connection fails with; any other error of a system call is of a file. */
const NETWORK_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
];

/** Options of every action that talks to Redis. */
export const REDIS_OPTIONS = ['redis', 'queue'] as const;

/** Runs `work` on the queue that the call names. Throws `UsageError`, `QueueUnavailableError`, and what the work throws of its own. */
export async function withProtocol<T>(call: Call, work: (protocol: Protocol, queue: string) => Promise<T>): Promise<T> {
  const { redis, queue } = settingsOf(call);
  const link = new Link(redis);
  try {
    await link.ready({ ms: CONNECT_MS, signals: [] });
    return await work(new Protocol(link.redis, queue), queue);
  } catch (error) {
    throw isOfRedis(error) ? new QueueUnavailableError(null, 'unknown', error) : error;
  } finally {
    link.close();
  }
}

/** Whether a failure is Redis' or the connection's; else it is of files, of what was read, or a defect. */
function isOfRedis(error: unknown): boolean {
  const isOurs =
    error instanceof AuditGapError || error instanceof CheckpointDirectoryError || error instanceof UsageError;
  if (isOurs || !(error instanceof Error) || isDefect(error)) return false;
  return !('syscall' in error) || ('code' in error && NETWORK_CODES.includes(String(error.code)));
}

function isDefect(error: Error): boolean {
  return [TypeError, RangeError, ReferenceError].some((kind) => error instanceof kind);
}

/** The queue that the call names. */
export function queueOf(call: Call): string {
  return settingsOf(call).queue;
}

function settingsOf(call: Call): ProducerSettings {
  return refuseAsUsage(() => parseOptions(queueOptions(call)));
}
