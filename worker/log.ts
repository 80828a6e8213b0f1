import { type Logger, pino } from 'pino';

export type Log = Logger;

/** Where a log goes: file descriptor 1 for a server, 2 where stdout belongs to a result. */
export interface LogOptions {
  level: string;
  descriptor: 1 | 2;
}

/**
 * JSON lines, written synchronously: after a SIGKILL the last line is there. What a guest printed never enters a line;
 * identifiers do, and their form is bounded by the schemas.
 */
export function createLog({ level, descriptor }: LogOptions): Log {
  const destination = pino.destination({ dest: descriptor, sync: true });
  return pino({ level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** A log of one execution: every line names the job, the execution `uid-epoch` and the tenant. */
export function logExecution(
  log: Log,
  e: { id: string | null; uid: string; epoch: number; tenant: string | null },
): Log {
  return log.child({ job: e.id, exec: `${e.uid}-${e.epoch}`, tenant: e.tenant });
}
