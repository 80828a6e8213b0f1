// The native addon, typed: documents in, documents out. No policy, no defaults: they live below, in `native/sandbox`.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { CheckReport, Explanation, Result, WorkerOffer } from '../schemas/types.ts';
import { packageRoot } from './package-root.ts';

/** Why an execution is ended by us: on request, because this worker stops, or because the job may no longer be ours. */
export type KillReason = 'cancelled' | 'drain' | 'lock-lost';

/** What the result document has to say about the execution and the library can't know. `queuedUs` in microseconds. */
export interface RunContext {
  uid: string;
  epoch: number;
  tenant: string;
  id: string;
  queuedUs: number;
  worker: string;
  /** Until when it may go on without `extend`, in milliseconds of the engine's clock; absent for a job that nobody else could come to run. */
  tenureUntilMs?: number;
}

/** What this host can do: each layer tried by use, each runtime's interpreter run. */
export type Probe = Pick<CheckReport, 'layers' | 'runtimes'>;

/** What the operator of this worker allows and adds. */
export type Terms = Pick<WorkerOffer, 'ceilings' | 'defaults' | 'policies' | 'hostRoots'>;

/** Counters of the native layer. Those of a pool are since the engine was opened; `failures` in a row. */
export interface EngineStats {
  slots: { free: number; inUse: number; quarantined: number };
  /** Sandboxes being made ahead or removed. */
  busy: number;
  pools: {
    backend: string;
    root: string;
    loopback: string;
    ready: number;
    wanted: number;
    hits: number;
    misses: number;
    made: number;
    failures: number;
    /** Making them failed repeatedly: it is tried again only after a pause. */
    stopped: boolean;
    lastFailure: string | null;
  }[];
  /** Jobs in the native layer now, and since it was opened. */
  running: number;
  started: number;
}

/** An instance name and a block of uids that no other living worker of this host has. Held until the process ends. */
export interface Lease {
  instance: string;
  firstUid: number;
  uidCount: number;
  /** Dead instances whose leftovers could not be removed; their names and uids stay unused. */
  unclean: string[];
}

/** One job under way in the native layer. */
export interface Execution {
  /** The end. Never rejects for what a guest or a document did: that is in the result. May be called again. */
  wait(): Promise<Result>;
  /** Ends the job; the first reason wins, after the end it does nothing. */
  kill(reason: KillReason): void;
  /** Lets it go on until this moment of the engine's clock. Without, it ends `worker-lost` there, whatever becomes of this process. */
  extend(untilMs: number): void;
}

/** What the worker asks of the native layer. */
export interface SandboxEngine {
  /** Milliseconds of the machine's clock that goes on while it sleeps (`CLOCK_BOOTTIME`): the forkserver's too. */
  now(): number;
  /** Begins a job: the document's bytes, all content inline. */
  run(job: Uint8Array, context: RunContext): Execution;
  /** Tries every layer and every runtime by use. */
  probe(): Promise<Probe>;
  /** What the operator allows and adds, of host paths only how many. */
  terms(): Terms;
  /** How it is doing. */
  stats(): EngineStats;
  /** Resolves when no job can be run any more, as what makes sandboxes died and can't be started again; and after `close`. */
  lost(): Promise<void>;
  /** Kills what still runs, waits until it is gone and ends the forkserver. */
  close(): Promise<void>;
}

interface NativeExecution {
  wait(): Promise<Buffer>;
  kill(reason: string): void;
  extend(untilMs: number): void;
}

interface NativeEngine {
  run(job: Buffer, context: string): NativeExecution;
  probe(): Promise<string>;
  explain(job: Buffer): Promise<string>;
  terms(): string;
  stats(): string;
  lost(): Promise<void>;
  close(): Promise<void>;
}

interface Addon {
  Engine: { open(config: string): Promise<NativeEngine> };
  lease(config: string): string;
  claimSpool(config: string): string;
  dropPrivileges(uid: number, gid: number): void;
  boottime(): number;
}

/** The addon can't be loaded; the message says what to do. */
export class AddonMissingError extends Error {
  readonly code = 'addon-missing';
}

/** The backends, pools and runtimes of one worker. Opened once, closed once; use after `close` is an error. */
export class Engine implements SandboxEngine {
  readonly #native: NativeEngine;
  readonly now: () => number;

  private constructor(native: NativeEngine, now: () => number) {
    this.#native = native;
    this.now = now;
  }

  /**
   * Opens the engine with a worker configuration, the leased uids and the instance's name.
   * Throws with the field's name when the configuration is invalid, with the step when the host refuses something.
   */
  static async open(config: object): Promise<Engine> {
    const document = { ...config, forkserverPath: join(packageRoot(), 'native/bin/bullpen-forkserver') };
    const addon = loadAddon();
    return new Engine(await addon.Engine.open(JSON.stringify(document)), () => addon.boottime());
  }

  run(job: Uint8Array, context: RunContext): Execution {
    const bytes = Buffer.from(job.buffer, job.byteOffset, job.byteLength);
    const execution = this.#native.run(bytes, JSON.stringify(context));
    return {
      wait: async () => JSON.parse((await execution.wait()).toString('utf8')) as Result,
      kill: (reason) => execution.kill(reason),
      extend: (untilMs) => execution.extend(untilMs),
    };
  }

  async probe(): Promise<Probe> {
    return JSON.parse(await this.#native.probe()) as Probe;
  }

  /** What would become of a job document here; nothing of it is run. */
  async explain(job: Uint8Array): Promise<Explanation> {
    const bytes = Buffer.from(job.buffer, job.byteOffset, job.byteLength);
    return JSON.parse(await this.#native.explain(bytes)) as Explanation;
  }

  terms(): Terms {
    return JSON.parse(this.#native.terms()) as Terms;
  }

  stats(): EngineStats {
    return JSON.parse(this.#native.stats()) as EngineStats;
  }

  lost(): Promise<void> {
    return this.#native.lost();
  }

  close(): Promise<void> {
    return this.#native.close();
  }
}

/**
 * Leases an instance name and a uid block under `runDir`, and removes what dead instances left there.
 * The lease is an flock: it ends with this process, however that ends. Throws when no block of `slots` uids is free.
 */
export function takeLease(request: { runDir: string; uids: { first: number; count: number }; slots: number }): Lease {
  return JSON.parse(loadAddon().lease(JSON.stringify(request))) as Lease;
}

/** A user and a group of the host. */
export interface User {
  uid: number;
  gid: number;
}

/**
 * A directory for the results that an instance can't commit, as a path that leads there also when this process has become another
 * user; with what dead instances of the same `home` (a queue of a Redis) left. Holds until the process ends.
 */
export function claimSpool(request: { runDir: string; home: string; instance: string; owner: User | null }): string {
  return loadAddon().claimSpool(JSON.stringify(request));
}

/** Becomes `uid` and `gid` on all threads, with no capability and no way back. When it throws, the process must end. */
export function dropPrivileges({ uid, gid }: User): void {
  loadAddon().dropPrivileges(uid, gid);
}

function loadAddon(): Addon {
  const path = join(packageRoot(), 'native/bin/bullpen.node');
  if (!existsSync(path)) {
    throw new AddonMissingError(`the native addon is missing (${path}). Remedy: npm run build:native`);
  }
  try {
    const addon = createRequire(import.meta.url)(path) as Addon;
    // The part that came last.
    if (typeof addon.boottime !== 'function') throw new Error('it is older than the worker');
    return addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AddonMissingError(`the native addon can't be loaded: ${reason}. Remedy: npm run build:native`, { cause });
  }
}
