// Moments at which a process of ours may die, by name: between two things that it does. The product knows nothing of them. Tests start
// it with `crash-preload.ts`, which puts each between two calls from outside.

/** A call of the product, before or after which a process dies. */
interface Moment {
  /** The module, from the root of the clone (or a package), and the exported class. */
  module: string;
  owner: string;
  method: string;
  /** Before the call, when its answer is there, or as soon as a process of the host has the job's id in its command line. */
  when: 'before' | 'after' | 'seen';
  /** A method of what the call answers: that one is meant. */
  ofAnswer?: string;
  /** Only a call of which this holds; default: the first. */
  if?: (args: readonly unknown[], answer: unknown) => boolean;
}

/** What a test does so that the moment comes. */
export type Setting =
  /** Nothing: it is on the way of every job. */
  | 'any'
  /** The worker is ended in order while jobs run. */
  | 'drain'
  /** A running job is cancelled. */
  | 'cancel'
  /** The reply to the first commit is lost. */
  | 'lost-reply';

/** A named moment. */
export interface CrashPoint extends Moment {
  name: string;
  /** Who dies there. */
  who: 'worker' | 'producer';
  setting: Setting;
}

const PROTOCOL = { module: 'protocol/protocol.ts', owner: 'Protocol' };
const ENGINE = { module: 'worker/engine.ts', owner: 'Engine' };
const BULL = { module: 'bullmq', owner: 'Job' };
const SPOOL = { module: 'worker/spool.ts', owner: 'Spool' };

const hasBegun = (args: readonly unknown[]) => (args[0] as { epoch: number }).epoch > 0;
const hasNotBegun = (args: readonly unknown[]) => !hasBegun(args);
const runs = (_args: readonly unknown[], answer: unknown) => (answer as { answer: string }).answer === 'run';
const sleeps = ([document]: readonly unknown[]) => (document as Buffer).includes('sleep');
const findsEnds = (_args: readonly unknown[], answer: unknown) => (answer as { endings: unknown[] }).endings.length > 0;

/** All of them, in the order of a job's life. */
export const CRASH_POINTS: readonly CrashPoint[] = [
  producer('before-accept', { ...PROTOCOL, method: 'accept', when: 'before' }),
  producer('after-accept', { ...PROTOCOL, method: 'accept', when: 'after' }),
  producer('after-dispatch', {
    module: 'producer/queue-access.ts',
    owner: 'QueueAccess',
    method: 'dispatch',
    when: 'after',
  }),
  worker('after-registration', { ...PROTOCOL, method: 'register', when: 'after' }),
  worker('after-boot-record', { ...PROTOCOL, method: 'appendAudit', when: 'after' }),
  worker('after-delivery', { module: 'worker/executions.ts', owner: 'Executions', method: 'open', when: 'after' }),
  worker('before-begin', { ...PROTOCOL, method: 'begin', when: 'before' }),
  worker('after-begin', { ...PROTOCOL, method: 'begin', when: 'after', if: runs }),
  worker('before-clone', { ...ENGINE, method: 'run', when: 'before' }),
  worker('after-clone', { ...ENGINE, method: 'run', when: 'after' }),
  worker('after-exec', { ...ENGINE, method: 'run', when: 'seen', if: sleeps }),
  worker('after-end', { ...ENGINE, method: 'run', ofAnswer: 'wait', when: 'after' }),
  worker('after-blobs', { ...PROTOCOL, method: 'putResultBlob', when: 'after' }),
  worker('before-commit', { ...PROTOCOL, method: 'commit', when: 'before', if: hasBegun }),
  worker('after-commit', { ...PROTOCOL, method: 'commit', when: 'after', if: hasBegun }),
  worker('before-ack', { ...BULL, method: 'moveToCompleted', when: 'before' }),
  worker('after-ack', { ...BULL, method: 'moveToCompleted', when: 'after' }),
  worker('after-sweep', { ...PROTOCOL, method: 'sweep', when: 'after', if: findsEnds }),
  worker('before-commit-of-unbegun', { ...PROTOCOL, method: 'commit', when: 'before', if: hasNotBegun }),
  worker('after-commit-of-unbegun', { ...PROTOCOL, method: 'commit', when: 'after', if: hasNotBegun }),
  worker('after-kill', { module: 'worker/executions.ts', owner: 'Running', method: 'kill', when: 'after' }, 'cancel'),
  worker('after-spooling', { ...SPOOL, method: 'put', when: 'after' }, 'lost-reply'),
  worker('before-unspooling', { ...SPOOL, method: 'remove', when: 'before' }, 'lost-reply'),
  worker('before-hand-back', { ...BULL, method: 'moveToWait', when: 'before' }, 'drain'),
  worker('after-hand-back', { ...BULL, method: 'moveToWait', when: 'after' }, 'drain'),
  worker('before-cleanup', { ...ENGINE, method: 'close', when: 'before' }, 'drain'),
  worker('after-deregistration', { ...PROTOCOL, method: 'deregister', when: 'after' }, 'drain'),
];

/** Names the variable by which the preload hears which moment it is. No part of the product reads it. */
export const CRASH_AT = 'BULLPEN_TEST_CRASH_AT';

function producer(name: string, moment: Moment): CrashPoint {
  return { name, who: 'producer', setting: 'any', ...moment };
}

function worker(name: string, moment: Moment, setting: Setting = 'any'): CrashPoint {
  return { name, who: 'worker', setting, ...moment };
}
