// A serving worker as an object: opened, started, stopped. It makes the parts, connects them, and decides nothing itself.

import { setTimeout as sleep } from 'node:timers/promises';
import { keysOf, newUid } from '../protocol/index.ts';
import { adoptLeft, adoptSpool } from './adopt-spool.ts';
import { buildWorkplace, type Ground, homeOf } from './build-workplace.ts';
import { Cancellations } from './cancel.ts';
import type { Settings } from './config.ts';
import { Consumer } from './consume.ts';
import { Drain } from './drain.ts';
import type { Probe, User } from './engine.ts';
import { handleJob } from './handle-job.ts';
import { Heartbeat, OfferDiffersError } from './heartbeat.ts';
import { type LeasedEngine, openEngine } from './lease.ts';
import type { Log } from './log.ts';
import { offerOf } from './offer.ts';
import { openConnections, whenReady } from './redis-connections.ts';
import { describeDurability, durabilityFault, evictionFault, readRedisHealth } from './redis-health.ts';
import { readSecrets } from './secrets.ts';
import { Progress } from './signals/progress.ts';
import type { Signals } from './signals/signals.ts';
import type { JobWatcher } from './signals/watch.ts';
import { Spool } from './spool.ts';
import { Sweeper } from './sweeper.ts';
import { within } from './within.ts';
import type { Workplace } from './workplace.ts';

const LOST = 'the forkserver and its shim died: no job can be run any more. Remedy: start the worker again';
const RETRY_MS = 500;
/** Time for the last words to Redis, and then for the native layer to end, within the two seconds after `drainMs`. */
const FAREWELL_MS = 300;
const ENGINE_CLOSE_MS = 400;

/** Redis could lose what it was given; the message has the remedy. */
export class RedisUnfitError extends Error {
  readonly code = 'redis-unfit';
}

/** This host doesn't hold every layer, so no job could be run here; the message names the layers and their remedies. */
export class HostUnfitError extends Error {
  readonly code = 'host-unfit';
}

/** One worker of one queue. */
export class WorkerService {
  readonly #ground: Ground;
  readonly #stopping: AbortController;
  readonly #place: Workplace;
  readonly #consumer: Consumer;
  readonly #sweeper: Sweeper;
  readonly #cancellations: Cancellations;
  readonly #heartbeat: Heartbeat;
  readonly #drain: Drain;
  readonly #bootId: string;
  readonly #progress: Progress;
  #signals: Signals | null = null;
  #booted = false;
  #told = '';
  #stopped: Promise<void> | null = null;

  /**
   * Takes a lease, opens the native layer and begins to connect to Redis, which need not be there yet. With `mixed` it will
   * serve beside workers that offer something else. Throws what the host refuses.
   */
  static async open(
    settings: Settings,
    { mixed, log, host = openWithoutDrop, watchers = [] }: OpenOptions,
  ): Promise<WorkerService> {
    const secrets = readSecrets(settings);
    for (const warning of secrets.warnings) log.warn({ warning }, 'a file with a secret');
    const leased = await host(settings);
    const named = log.child({ worker: leased.lease.instance, queue: settings.queue });
    for (const unclean of leased.lease.unclean) named.warn({ unclean }, 'a dead worker left what could not be removed');
    const probe = await leased.engine.probe();
    await refuseUnfitHost(probe, leased);
    report(probe, named);
    const spool = await Spool.open(leased.spool(homeOf(settings)));
    tellUser(leased.dropPrivileges(), named);
    const connections = openConnections(secrets.redis, named);
    const stopping = new AbortController();
    const ground = { settings, secrets, leased, connections, spool, log: named, stopping: stopping.signal };
    const service = new WorkerService(ground, stopping, { mixed, probe });
    for (const watcher of watchers) service.#place.watch.add(watcher);
    await service.#openSignals();
    return service;
  }

  private constructor(ground: Ground, stopping: AbortController, offered: Offered) {
    const { settings, connections } = ground;
    const place = buildWorkplace(ground);
    this.#ground = ground;
    this.#stopping = stopping;
    this.#place = place;
    this.#bootId = newUid();
    this.#progress = new Progress(settings);
    this.#consumer = new Consumer({
      ...settings,
      redis: connections.bull,
      log: place.log,
      progress: this.#progress,
      now: () => place.fence.now(),
      handle: (delivery) => handleJob(delivery, place),
      onRenewed: (uids, sentAt) => place.fence.renewed(uids, sentAt),
      onLost: (uid) => place.fence.lose(uid),
    });
    this.#sweeper = new Sweeper(place);
    this.#cancellations = new Cancellations({
      redis: connections.channels,
      keys: keysOf(settings.queue),
      place,
      onSweep: () => this.#sweeper.wake(),
    });
    const { instance } = place;
    const named = {
      instance,
      bootId: this.#bootId,
      slots: settings.slots,
      ttlMs: settings.lockMs,
      mixed: offered.mixed,
    };
    this.#heartbeat = new Heartbeat(
      { ...named, ...offerOf(settings, offered.probe, place.engine.terms()) },
      connections.scripts,
      place,
    );
    this.#drain = new Drain({
      executions: place.executions,
      drainMs: settings.drainMs,
      stopFetching: () => this.#consumer.stop(),
    });
  }

  /**
   * Joins the queue as soon as Redis is there and serves. Resolves when it serves, or when it was stopped before.
   * Throws OfferDiffersError, RedisUnfitError.
   */
  async start(): Promise<void> {
    const { log, fence } = this.#place;
    while (!this.#stopping.signal.aborted && !(await this.#tryToJoin()));
    if (this.#stopping.signal.aborted) return;
    fence.start();
    this.#cancellations.start();
    this.#sweeper.start();
    await this.#consumer.start();
    if (this.#stopping.signal.aborted) return;
    const { slots } = this.#ground.settings;
    log.info({ slots }, 'serving');
  }

  /** Where it answers questions about itself: `HOST:PORT` or `unix:/PATH`; null when nowhere. */
  get http(): string | null {
    return this.#signals?.address ?? null;
  }

  /** Resolves when no job can be run here any more: what makes sandboxes died, and can't be started again by this process. */
  async lost(): Promise<void> {
    await this.#place.engine.lost();
    if (this.#stopped === null) this.#place.log.error(LOST);
  }

  /** Drains and ends, within `drainMs` + 2 s; asked again, at once. */
  stop(): Promise<void> {
    if (this.#stopped === null) this.#stopped = this.#shutDown();
    else void this.#drain.request();
    return this.#stopped;
  }

  async #openSignals(): Promise<void> {
    const { settings, connections, spool } = this.#ground;
    const at = settings.http;
    if (at === undefined) return;
    const asked = { redis: connections.scripts, isRegistered: () => this.#booted };
    const shown = { place: this.#place, spool, progress: this.#progress };
    try {
      const { Signals } = await import('./signals/signals.ts');
      this.#signals = await Signals.open({ at, ...asked, ...shown });
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #tryToJoin(): Promise<boolean> {
    const { signal } = this.#stopping;
    try {
      await whenReady(this.#ground.connections.scripts, signal);
      await this.#join();
      return true;
    } catch (error) {
      if (error instanceof OfferDiffersError || error instanceof RedisUnfitError) throw error;
      this.#tellOnce(error instanceof Error ? error.message : String(error));
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      return false;
    }
  }

  /** Says why the queue can't be joined yet; the same reason once. */
  #tellOnce(reason: string): void {
    if (reason !== this.#told) this.#place.log.warn({ reason }, 'could not join the queue yet');
    this.#told = reason;
  }

  async #join(): Promise<void> {
    const { settings, connections, spool, log } = this.#ground;
    const health = await readRedisHealth(connections.scripts);
    const eviction = evictionFault(health);
    if (eviction !== null && !settings.redisMayEvict)
      throw new RedisUnfitError(`this Redis can't be used: ${eviction}`);
    if (eviction !== null) log.warn({ policy: health.policy }, 'Redis may evict jobs and results, as configured');
    const fault = durabilityFault(health);
    const durability = describeDurability(health);
    if (fault === null) log.info({ durability }, 'Redis');
    else log.warn({ durability, fault }, 'Redis');
    await this.#heartbeat.register(settings.queue, settings.document.tenants ?? null);
    this.#heartbeat.start();
    if (!this.#booted) await this.#boot();
    this.#booted = true;
    // Before anything is fetched: what is found there is worth more than the `worker-lost` that a redelivery would make of it.
    const adoption = { home: homeOf(settings), own: spool };
    const left = await adoptSpool(adoption, this.#place);
    void adoptLeft(left, adoption, { place: this.#place, signal: this.#stopping.signal }).catch((error: unknown) =>
      log.error({ err: error }, 'results that waited on disk'),
    );
  }

  async #boot(): Promise<void> {
    const { audit, records } = this.#place;
    await this.#append(records.boot(this.#bootId, await audit.lastSeq()));
  }

  async #append(event: Parameters<Workplace['audit']['append']>[0][number]): Promise<void> {
    const { audit, protocol } = this.#place;
    await audit.append([event], (records) => protocol.appendAudit(records));
  }

  async #shutDown(): Promise<void> {
    const { log, committer, records, fence, engine, executions, admission } = this.#place;
    log.info({ running: executions.size }, 'draining');
    this.#stopping.abort(new Error('the worker stops'));
    if (this.#booted) void this.#heartbeat.retire();
    admission.close();
    await this.#drain.request();
    committer.stop();
    fence.close();
    this.#cancellations.close();
    const farewell = async () => {
      await this.#sweeper.close();
      if (this.#booted) await this.#append(records.close());
      await this.#heartbeat.close();
    };
    await within(
      FAREWELL_MS,
      farewell().catch((error: unknown) => log.debug({ err: error }, 'farewell')),
    );
    await this.#signals?.close();
    this.#ground.connections.close();
    const closed = engine
      .close()
      .catch((error: unknown) => log.error({ err: error }, 'the native layer did not close'));
    await within(ENGINE_CLOSE_MS, closed);
    log.info('stopped');
  }
}

export interface OpenOptions {
  /** Serve beside workers that offer something else. */
  mixed: boolean;
  log: Log;
  /** Hear of what happens to jobs here. */
  watchers?: readonly JobWatcher[];
  /** Opens the native layer. Default: the addon of this package, under a lease of this host, in a process that stays who it is. */
  host?: (settings: Settings) => Promise<LeasedEngine>;
}

function openWithoutDrop(settings: Settings): Promise<LeasedEngine> {
  return openEngine(settings, { drops: false });
}

function tellUser(user: User | null, log: Log): void {
  const { uid, gid } = user ?? { uid: process.getuid?.(), gid: process.getgid?.() };
  log.info({ uid, gid }, user === null ? 'no privileges to give up' : 'privileges given up');
}

interface Offered {
  mixed: boolean;
  probe: Probe;
}

/** A worker doesn't join a queue to refuse every job of it. */
async function refuseUnfitHost({ layers }: Probe, leased: LeasedEngine): Promise<void> {
  const missing = layers.filter(({ held, tried }) => tried && !held);
  if (missing.length === 0) return;
  await leased.engine.close();
  const lines = missing.map(
    ({ layer, message, remedy }) => `${layer}: ${message ?? 'does not hold'}. Remedy: ${remedy}`,
  );
  throw new HostUnfitError(`this host does not hold what every job needs. ${lines.join('; ')}`);
}

/** Jobs of a runtime that does not work end `unavailable`; the operator hears of it here. */
function report({ runtimes }: Probe, log: Log): void {
  for (const { name, ok, message } of runtimes) {
    if (!ok) log.warn({ runtime: name, reason: message }, 'a runtime does not work on this host');
  }
}
