// Tenants, jobs and workers by chance, and what must be true of the queue after each step, whatever the steps were.

import { randomBytes } from 'node:crypto';
import { sha256Of } from '../../../protocol/blobs.ts';
import { ALL_TENANTS, type LimitWords, newUid, TENANT_LIMITS } from '../../../protocol/index.ts';
import { pick } from '../../chaos/random.ts';
import { acceptance, type TestQueue } from './bench-queue.ts';

const TENANTS = ['a', 'b', 'c', 'd'];
const SLOTS = 3;
const CAPS = { maxQueuedJobs: [0, 3, 8, null], maxQueuedBytes: [500, 2000, null], maxRunningJobs: [0, 1, 2, null] };

/** What the queue holds at one moment, read key by key. */
interface Scan {
  jobs: Map<string, { state: string; bytes: number }>;
  pending: Map<string, string[]>;
  running: Map<string, string[]>;
  inflight: string[];
  ready: string[];
  held: string[];
  queuedBytes: Record<string, string>;
}

interface Held {
  jobs: number;
  bytes: number;
  running: number;
}

/** One queue under random use. `step` does one thing and returns what it was; `check` throws when something isn't true. */
export class TenantModel {
  readonly #queue: TestQueue;
  readonly #random: () => number;
  /** Every job that was accepted, by uid. */
  readonly #accepted = new Map<string, { tenant: string; id: string }>();
  /** What BullMQ holds. */
  readonly #dispatched = new Set<string>();
  readonly #begun = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  #boot = 0;
  #before = new Map<string, Held>();
  /** Whether the last step released what could be. */
  #isSettled = false;

  constructor(queue: TestQueue, random: () => number) {
    this.#queue = queue;
    this.#random = random;
  }

  async open(): Promise<void> {
    await this.#join();
    await this.check();
  }

  async step(): Promise<string> {
    const dice = this.#random();
    if (dice < 0.42) return this.#accept();
    if (dice < 0.6) return this.#begin();
    if (dice < 0.78) return this.#end();
    if (dice < 0.84) return this.#cancel();
    if (dice < 0.92) return this.#limit();
    if (dice < 0.95) return this.#crash();
    return this.#sweep();
  }

  /** Lifts all caps, and works until every job has ended. */
  async finish(): Promise<void> {
    const lifted = { maxQueuedJobs: null, maxQueuedBytes: null, maxRunningJobs: null };
    for (const name of [...TENANTS, ALL_TENANTS]) await this.#queue.protocol.limitTenant(name, lifted);
    for (let round = 0; this.#ended.size < this.#accepted.size; round++) {
      if (round > 1000) throw new Error(`lost: ${[...this.#accepted.keys()].filter((uid) => !this.#ended.has(uid))}`);
      await this.#sweep();
      await this.check();
      for (const uid of [...this.#dispatched]) await this.#beginOne(uid);
      for (const uid of [...this.#begun.keys()]) await this.#endOne(uid);
    }
    await this.#sweep();
    await this.check();
    const { keys, redis } = this.#queue;
    const left = await redis.exists(keys.ready, keys.held, keys.inflight, keys.due, keys.queuedBytes, keys.pace);
    if (left !== 0) throw new Error(`${left} keys are left of an idle queue`);
    const twice = [...this.#ended].filter(([, times]) => times !== 1);
    if (twice.length > 0) throw new Error(`ended more than once: ${twice}`);
  }

  /** @throws Error naming what isn't true. */
  async check(): Promise<void> {
    const scan = await this.#scan();
    const faults = [
      ...this.#sums(scan),
      ...this.#places(scan),
      ...(await this.#caps(scan)),
      ...(await this.#idle(scan)),
    ];
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  async #accept(): Promise<string> {
    const tenant = pick(this.#random, TENANTS);
    const document = randomBytes(Math.floor(this.#random() * 400));
    const [priority, attempts] = [Math.floor(this.#random() * 10), this.#random() < 0.5 ? 1 : 2];
    const job = acceptance(newUid(), { tenant, document, sha256: sha256Of(document), priority, attempts });
    const contentBytes = this.#random() < 0.3 ? Math.floor(this.#random() * 400) : 0;
    const answer = await this.#queue.protocol.accept({ ...job, contentBytes });
    this.#isSettled = answer.answer === 'created';
    if (answer.answer === 'created') {
      this.#accepted.set(job.uid, job);
      await this.#dispatch(answer.releases);
    }
    return `accept ${tenant}: ${answer.answer === 'quota' ? answer.quota : answer.answer}`;
  }

  async #begin(): Promise<string> {
    if (this.#dispatched.size === 0) return 'nothing to begin';
    return this.#beginOne(pick(this.#random, [...this.#dispatched]));
  }

  async #beginOne(uid: string): Promise<string> {
    const { protocol } = this.#queue;
    const job = await protocol.peek(uid);
    const expectedEpoch = (job?.epoch ?? 0) + 1;
    const answer = await this.#queue.begin(uid, { instance: 'w-1', token: newUid(), expectedEpoch });
    this.#isSettled = false;
    if (answer.answer === 'run') {
      if (this.#random() < 0.9) this.#dispatched.delete(uid);
      this.#begun.set(uid, answer.epoch);
    } else if (answer.answer === 'cancelled' || answer.answer === 'lost' || answer.answer === 'poison') {
      await this.#commit(uid, answer.epoch);
    }
    return `begin ${uid}: ${answer.answer}`;
  }

  async #end(): Promise<string> {
    if (this.#begun.size === 0) return 'nothing to end';
    return this.#endOne(pick(this.#random, [...this.#begun.keys()]));
  }

  async #endOne(uid: string): Promise<string> {
    const epoch = this.#begun.get(uid) ?? 0;
    this.#begun.delete(uid);
    return this.#commit(uid, epoch);
  }

  async #commit(uid: string, epoch: number): Promise<string> {
    const answer = await this.#queue.commit(uid, { epoch });
    this.#isSettled = answer.answer === 'ok';
    if (answer.answer === 'ok') {
      this.#ended.set(uid, (this.#ended.get(uid) ?? 0) + 1);
      this.#dispatched.delete(uid);
      await this.#queue.redis.del(this.#bullKey(uid));
      await this.#dispatch(answer.releases);
    }
    return `commit ${uid} ${epoch}: ${answer.answer}`;
  }

  async #cancel(): Promise<string> {
    if (this.#accepted.size === 0) return 'nothing to cancel';
    const job = pick(this.#random, [...this.#accepted.values()]);
    const answer = await this.#queue.protocol.cancel({ tenant: job.tenant, id: job.id });
    this.#isSettled = false;
    return `cancel ${job.tenant}: ${answer.answer}`;
  }

  async #limit(): Promise<string> {
    const name = pick(this.#random, [...TENANTS, ALL_TENANTS]);
    const limit = pick(this.#random, TENANT_LIMITS);
    const value =
      limit === 'weight' ? 1 + Math.floor(this.#random() * 9) : pick<number | null>(this.#random, CAPS[limit]);
    if (name === ALL_TENANTS && limit === 'weight') return 'no weight of all';
    const words: LimitWords = { [limit]: this.#random() < 0.2 ? 'unsaid' : value };
    await this.#queue.protocol.limitTenant(name, words);
    this.#isSettled = false;
    return `limit ${name}: ${JSON.stringify(words)}`;
  }

  /** The worker is gone with all that it ran; another start takes its name. BullMQ delivers some of its jobs again. */
  async #crash(): Promise<string> {
    for (const uid of this.#begun.keys()) {
      if (this.#random() < 0.5) this.#dispatched.add(uid);
      else await this.#queue.redis.del(this.#bullKey(uid));
    }
    this.#begun.clear();
    await this.#join();
    return 'crash';
  }

  async #sweep(): Promise<string> {
    const { releases, endings } = await this.#queue.protocol.sweep({ batch: 100, settleMs: 0, againMs: 0 });
    this.#isSettled = true;
    await this.#dispatch(releases);
    for (const { uid, epoch } of endings) if (!this.#begun.has(uid)) await this.#commit(uid, epoch);
    return `sweep: ${releases.length} released, ${endings.length} to end`;
  }

  async #join(): Promise<void> {
    this.#boot += 1;
    const releases = await this.#queue.register({ slots: SLOTS, bootId: `boot-${this.#boot}` });
    this.#isSettled = true;
    await this.#dispatch(releases);
  }

  /** Some that were released never arrive at BullMQ: who was to add them died. */
  async #dispatch(uids: string[]): Promise<void> {
    for (const uid of uids) {
      if (this.#random() < 0.1) continue;
      this.#dispatched.add(uid);
      await this.#queue.redis.set(this.#bullKey(uid), 'held');
    }
  }

  #bullKey(uid: string): string {
    return `${this.#queue.keys.prefix}bull:jobs:${uid}`;
  }

  async #scan(): Promise<Scan> {
    const { redis, keys } = this.#queue;
    const lists = (of: (tenant: string) => Promise<string[]>) =>
      Promise.all(TENANTS.map(async (tenant): Promise<[string, string[]]> => [tenant, await of(tenant)]));
    const jobs = [...this.#accepted.keys()].map(async (uid): Promise<[string, { state: string; bytes: number }]> => {
      const [state, bytes] = await redis.hmget(keys.job(uid), 'state', 'bytes');
      return [uid, { state: state ?? 'gone', bytes: Number(bytes) }];
    });
    return {
      jobs: new Map(await Promise.all(jobs)),
      pending: new Map(await lists((tenant) => redis.zrange(keys.pending(tenant), '0', '-1'))),
      running: new Map(await lists((tenant) => redis.smembers(keys.running(tenant)))),
      inflight: await redis.zrange(keys.inflight, '0', '-1'),
      ready: await redis.zrange(keys.ready, '0', '-1'),
      held: await redis.smembers(keys.held),
      queuedBytes: await redis.hgetall(keys.queuedBytes),
    };
  }

  /** The sums that are kept are those of a full scan. */
  #sums({ pending, jobs, queuedBytes }: Scan): string[] {
    const sums: Record<string, number> = {};
    for (const [tenant, uids] of pending) {
      if (uids.length > 0) sums[tenant] = uids.reduce((sum, uid) => sum + (jobs.get(uid)?.bytes ?? 0), 0);
    }
    const total = Object.values(sums).reduce((sum, bytes) => sum + bytes, 0);
    return [...TENANTS, ALL_TENANTS].flatMap((name) => {
      const [kept, scanned] = [Number(queuedBytes[name] ?? 0), name === ALL_TENANTS ? total : (sums[name] ?? 0)];
      return kept === scanned ? [] : [`queued bytes of ${name}: ${kept} kept, ${scanned} scanned`];
    });
  }

  /** Every accepted job is in exactly one place, and that is the place of its state. */
  #places({ jobs, pending, running, inflight }: Scan): string[] {
    return [...this.#accepted].flatMap(([uid, { tenant }]) => {
      const waits = pending.get(tenant)?.includes(uid) ?? false;
      const runs = running.get(tenant)?.includes(uid) ?? false;
      const state = jobs.get(uid)?.state ?? 'gone';
      const isFinal = state === 'final' && !waits && !runs && !inflight.includes(uid);
      const isQueued = state === 'waiting' && waits && !runs && !inflight.includes(uid);
      const isOut = (state === 'waiting' || state === 'running') && !waits && runs && inflight.includes(uid);
      // Cancelled before it was released, and not committed yet.
      const isCancelled = state === 'waiting' && !waits && !runs && !inflight.includes(uid);
      if (isFinal !== this.#ended.has(uid)) return [`${uid} is ${state}, ended ${this.#ended.has(uid)}`];
      return isFinal || isQueued || isOut || isCancelled ? [] : [`${uid} of ${tenant}: ${state}, ${waits}, ${runs}`];
    });
  }

  /** Nobody is above a cap but who was before it was lowered, and then no further. */
  async #caps({ pending, running, inflight, jobs }: Scan): Promise<string[]> {
    const faults: string[] = [];
    for (const tenant of TENANTS) {
      const { limits } = await this.#queue.protocol.readTenant(tenant);
      const uids = pending.get(tenant) ?? [];
      const bytes = uids.reduce((sum, uid) => sum + (jobs.get(uid)?.bytes ?? 0), 0);
      const now = { jobs: uids.length, bytes, running: running.get(tenant)?.length ?? 0 };
      const before = this.#before.get(tenant) ?? { jobs: 0, bytes: 0, running: 0 };
      const above = (value: number, cap: number | null, was: number) => cap !== null && value > Math.max(cap, was);
      if (above(now.jobs, limits.maxQueuedJobs.value, before.jobs)) faults.push(`${tenant}: ${now.jobs} queued`);
      if (above(now.bytes, limits.maxQueuedBytes.value, before.bytes)) faults.push(`${tenant}: ${now.bytes} bytes`);
      if (above(now.running, limits.maxRunningJobs.value, before.running)) faults.push(`${tenant}: ${now.running} run`);
      this.#before.set(tenant, now);
    }
    if (inflight.length > Math.ceil(SLOTS * 1.5)) faults.push(`${inflight.length} are in flight`);
    return faults;
  }

  /** While there is room, only tenants at their cap of running jobs wait; and every one that waits will be looked at. */
  async #idle({ pending, running, inflight, ready, held }: Scan): Promise<string[]> {
    const waiting = TENANTS.filter((tenant) => (pending.get(tenant) ?? []).length > 0);
    const unseen = waiting.filter((tenant) => ready.includes(tenant) === held.includes(tenant));
    const faults = unseen.map((tenant) => `${tenant} waits and is in ${ready.includes(tenant) ? 'two lists' : 'none'}`);
    const total = (await this.#queue.protocol.readTenant(ALL_TENANTS)).limits.maxRunningJobs.value;
    const room = Math.min(Math.ceil(SLOTS * 1.5), total ?? Number.POSITIVE_INFINITY) - inflight.length;
    if (!this.#isSettled || room <= 0) return faults;
    for (const tenant of waiting) {
      const cap = (await this.#queue.protocol.readTenant(tenant)).limits.maxRunningJobs.value;
      const isAtCap = cap !== null && (running.get(tenant)?.length ?? 0) >= cap;
      if (!isAtCap) faults.push(`${tenant} waits, and ${room} places are empty`);
    }
    return faults;
  }
}
