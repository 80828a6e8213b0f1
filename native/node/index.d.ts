/**
 * The native addon (`native/bin/bullpen.node`): documents in, documents out, as JSON text or bytes.
 *
 * What a function throws or rejects with is an Error whose `code` is one of: `lease-request` `lease-uids` `lease-stuck`
 * `lease-exposed` `lease-host` `engine-config` `engine-context` `engine-kill-reason` `engine-closed` `engine-host` `privileges`; any
 * other code is a defect. What a guest or a job document does is never an error: it is in the result.
 */

/** Takes `{runDir, uids: {first, count}, slots}` for the life of this process; gives `{instance, firstUid, uidCount, unclean}`. */
export function lease(config: string): string;

/**
 * Opens the spool directory of an instance that this process has leased (`{runDir, home, instance, owner: {uid, gid} | null}`), with what
 * dead instances left in it; gives a path that leads there also for a user who may not walk to it. For the life of this process.
 */
export function claimSpool(config: string): string;

/** Gives up every privilege of this process, on all of its threads, for good. After an error it must end. */
export function dropPrivileges(uid: number, gid: number): void;

/** Milliseconds of `CLOCK_BOOTTIME`, on which tenures are counted: it goes on while the machine sleeps, and nobody sets it. */
export function boottime(): number;

/** The door's verdict on a job document of at most `maxBytes`: `{ok: true}` or `{ok: false, issues: [{path, rule, message}]}`. */
export function parseJob(bytes: Buffer, maxBytes: number): string;

/** The backends, pools and runtimes of one worker. */
export class Engine {
  private constructor();
  /** Opens an engine: a worker configuration with `instance`, `forkserverPath` and the leased `uids`. */
  static open(config: string): Promise<Engine>;
  /** Begins a job: the document's bytes, and `{uid, epoch, tenant, id, queuedUs, worker, tenureUntilMs?}`. */
  run(job: Buffer, context: string): Execution;
  /** What this host can do: `{layers, runtimes}`. */
  probe(): Promise<string>;
  /** What would become of a job here, without running it: an explanation document. */
  explain(job: Buffer): Promise<string>;
  /** What the operator allows and adds: `{ceilings, defaults, policies, hostRoots}`; of host paths how many, never which. */
  terms(): string;
  /** Counters of pools, slots and executions. */
  stats(): string;
  /** Resolves when this process can run no job any more, as its forkserver can't be started again; and after `close`. */
  lost(): Promise<void>;
  /** Kills what runs and waits until everything is gone. */
  close(): Promise<void>;
}

/** One job under way. Dropping it, or a promise of it, cancels nothing. */
export class Execution {
  private constructor();
  /** The result document's bytes. May be called again, and gives the same. */
  wait(): Promise<Buffer>;
  /** Ends the job: `cancelled`, `drain` or `lock-lost`. The first reason wins; after the end it does nothing. */
  kill(reason: string): void;
  /** Lets a job that was given a tenure go on until this moment of `boottime`. Never shortens it; one that is over stays so. */
  extend(untilMs: number): void;
  /** The next piece of live output, `{stream, step, offset, base64}`, or null when there is none now. */
  read(): Promise<string | null>;
}
