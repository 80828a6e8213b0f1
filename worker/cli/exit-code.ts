import { constants } from 'node:os';
import type { Outcome, OutcomeKind } from '../../schemas/types.ts';

/** Exit codes of the commands; `run` without `--json` has its own. */
export const EXIT = { ok: 0, usage: 2, refused: 3, failed: 4, redis: 5, lost: 7 } as const;

const LIMIT = 124;
const NOT_RUN = 125;
const FIRST_REAL_TIME_SIGNAL = 34;
const LAST_REAL_TIME_SIGNAL = 64;

/** What a command answers for a job that ended like this: 0 for whatever the guest did. */
export function exitCodeOf(kind: OutcomeKind): number {
  switch (kind) {
    case 'rejected':
    case 'unavailable':
      return EXIT.refused;
    case 'cancelled':
    case 'expired':
    case 'worker-lost':
    case 'failed':
      return EXIT.failed;
    default:
      return EXIT.ok;
  }
}

/**
 * What `run` without `--json` answers, as if it were the program: its exit code, 128 + n for signal n, 124 for any limit,
 * 125 when it was refused or we failed. A job interrupted by `interruptedBy` answers as that signal.
 */
export function programExitCode(outcome: Outcome, interruptedBy: NodeJS.Signals | null): number {
  switch (outcome.kind) {
    case 'exited':
      return outcome.exitCode;
    case 'signaled':
      return 128 + signalNumber(outcome.signal);
    case 'wall-time-exceeded':
    case 'cpu-time-exceeded':
    case 'memory-exceeded':
    case 'processes-exceeded':
    case 'output-exceeded':
    case 'disk-exceeded':
      return LIMIT;
    case 'cancelled':
      return interruptedBy === null ? NOT_RUN : 128 + constants.signals[interruptedBy];
    default:
      return NOT_RUN;
  }
}

/** The number behind a signal's name: SIGSEGV, SIGRTMIN+3, SIGRTMAX-1. Throws on a name that this system doesn't have. */
export function signalNumber(name: string): number {
  const realTime = /^SIGRT(MIN|MAX)([+-]\d+)?$/.exec(name);
  if (realTime !== null) {
    const base = realTime[1] === 'MIN' ? FIRST_REAL_TIME_SIGNAL : LAST_REAL_TIME_SIGNAL;
    return base + Number(realTime[2] ?? 0);
  }
  const known = new Map<string, number>(Object.entries(constants.signals));
  const number = known.get(name);
  if (number === undefined) throw new Error(`unknown signal ${name}`);
  return number;
}
