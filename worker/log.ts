import { type Logger, pino } from 'pino';
import { LogOutlet } from './log-outlet.ts';

export type Log = Logger;

/** Where a log goes: file descriptor 1 for a server, 2 where stdout belongs to a result. */
export interface LogOptions {
  level: string;
  descriptor: 1 | 2;
}

/**
 * JSON lines, written synchronously: after a SIGKILL the last line is there, unless nobody read the log. What a guest printed never enters a line;
 * identifiers do, and their form is bounded by the schemas.
 */
export function createLog({ level, descriptor }: LogOptions): Log {
  const outlet = new LogOutlet(descriptor);
  const timestamp = pino.stdTimeFunctions.isoTime;
  return pino({ level, base: { pid: process.pid }, timestamp, serializers: { err: errorOf } }, outlet);
}

/**
 * Of an error, what it says of itself and where. Not its other fields: the Redis client's errors carry the command that failed, with
 * a password, a document or a result in it.
 */
function errorOf(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  const named = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return { name, message, ...named, stack };
}

/** A log of one execution: every line names the job, the execution `uid-epoch` and the tenant. */
export function logExecution(
  log: Log,
  e: { id: string | null; uid: string; epoch: number; tenant: string | null },
): Log {
  return log.child({ job: e.id, exec: `${e.uid}-${e.epoch}`, tenant: e.tenant });
}
