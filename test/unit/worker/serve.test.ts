// The queue side of a worker over a real Redis and a real BullMQ. Only the sandbox is a stand-in, since what it does is what these
// facts turn on: its source says how long a job runs and how it ends.

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { addReleased, newUid, openBullQueue, Protocol } from '../../../protocol/index.ts';
import type { Job, Outcome, Result } from '../../../schemas/types.ts';
import { loadSettings, type Settings } from '../../../worker/config.ts';
import {
  claimSpool,
  type KillReason,
  type RunContext,
  type SandboxEngine,
  type Terms,
} from '../../../worker/engine.ts';
import { OfferDiffersError } from '../../../worker/heartbeat.ts';
import type { LeasedEngine } from '../../../worker/lease.ts';
import { createLog } from '../../../worker/log.ts';
import { readHostMemory } from '../../../worker/memory.ts';
import { WorkerService } from '../../../worker/serve.ts';

const log = createLog({ level: process.env['BULLPEN_TEST_LOG'] ?? 'silent', descriptor: 2 });
const QUEUE = 'q';

let redis: PrivateRedis;
let connection: Redis;
let protocol: Protocol;
let runDir: string;
let services: WorkerService[];
let runs: string[];
beforeEach(async () => {
  redis = await startPrivateRedis();
  connection = new Redis(redis.url);
  connection.on('error', () => undefined);
  protocol = new Protocol(connection, QUEUE);
  runDir = mkdtempSync(join(tmpdir(), 'bullpen-serve-'));
  services = [];
  runs = [];
});
afterEach(async () => {
  await Promise.all(services.map((service) => service.stop()));
  connection.disconnect();
  await redis.stop();
  rmSync(runDir, { recursive: true, force: true });
});

const TERMS: Terms = {
  ceilings: { limits: {}, syscalls: ['strict'], loopback: ['deny'], attempts: 3 },
  defaults: {
    containment: ['process'],
    filesystem: { readonlyPaths: 0, readwritePaths: 0, deniedPaths: 0 },
    loopback: 'deny',
    limits: {},
    outputOverflow: 'kill',
    syscalls: 'strict',
    require: [],
  },
  policies: {},
  hostRoots: 0,
};

/** Runs `sleep MS`, `fail` or `rest N`, which is refused N times before, and nothing else. */
function standIn(instance: string): SandboxEngine {
  return {
    now: () => performance.now(),
    probe: async () => ({ layers: [], runtimes: [{ name: 'python', ok: true, message: null }] }),
    terms: () => TERMS,
    stats: () => ({ slots: { free: 1, inUse: 0, quarantined: 0 }, busy: 0, pools: [], running: 0, started: 0 }),
    lost: () => new Promise(() => undefined),
    close: async () => undefined,
    run: (document, context) => {
      runs.push(`${instance} ${context.epoch}`);
      const { source = '' } = JSON.parse(Buffer.from(document).toString()) as Job;
      const kill = new AbortController();
      const ended = end(source, kill.signal).then((outcome) => resultOf(context, outcome, source));
      return { wait: () => ended, kill: (reason) => kill.abort(reason), extend: () => undefined };
    },
  };
}

async function end(source: string, signal: AbortSignal): Promise<Outcome> {
  const rests = Number(/^rest (\d+)$/.exec(source)?.[1] ?? 0);
  if (runs.length <= rests) return { kind: 'failed', step: 'forkserver', code: 'resting', message: 'not yet' };
  if (source === 'fail') return { kind: 'failed', step: 'mount', code: 'EPERM', message: 'no' };
  const ms = Number(/^sleep (\d+)$/.exec(source)?.[1] ?? 0);
  const natural = await sleep(ms, true, { signal }).catch(() => false);
  if (natural) return { kind: 'exited', exitCode: 0, phase: 'run' };
  const reason = signal.reason as KillReason;
  return reason === 'cancelled' ? { kind: 'cancelled', by: 'caller' } : { kind: 'worker-lost', reason };
}

function resultOf({ uid, epoch, tenant, id, worker }: RunContext, outcome: Outcome, source: string): Result {
  const text = source.startsWith('large') ? 'x'.repeat(100_000) : '';
  const sha256 = createHash('sha256').update(text).digest('hex');
  const stream = { text, bytes: text.length, totalBytes: text.length, truncated: false, sha256 };
  const times = { startedAt: new Date().toISOString(), finishedAt: new Date().toISOString() };
  const rest = { artifacts: [], artifactsTruncated: false, limitsHit: [], worker, ...times };
  const who = { kind: 'result', version: 1, id, tenant, uid, epoch } as const;
  return { ...who, outcome, attribution: 'guest', rewardSafe: true, stdout: stream, ...rest };
}

function settingsWith(more: Record<string, unknown>): Settings {
  const settings = loadSettings(null, {});
  const fields = { redis: redis.url, queue: QUEUE, runDir, slots: 2, lockMs: 2000, stalledMs: 500, drainMs: 3000 };
  return { ...settings, ...fields, ...more };
}

async function open(instance: string, more: Record<string, unknown> = {}, mixed = false): Promise<WorkerService> {
  const lease = { instance, firstUid: 1, uidCount: 16, unclean: [] };
  const spool = (home: string) =>
    claimSpool({ runDir, home: Buffer.from(home).toString('hex').slice(0, 64), instance, owner: null });
  const host = async (): Promise<LeasedEngine> => ({
    engine: standIn(instance),
    lease,
    spool,
    dropPrivileges: () => null,
  });
  const service = await WorkerService.open(settingsWith(more), { mixed, log, host });
  services.push(service);
  return service;
}

/** Where the workers of this queue keep results. */
function spoolOfQueue(): string {
  const [home = 'none'] = readdirSync(join(runDir, 'spool'));
  return join(runDir, 'spool', home);
}

async function serve(instance: string, more: Record<string, unknown> = {}): Promise<WorkerService> {
  const service = await open(instance, more);
  await service.start();
  return service;
}

async function submit(
  source: string,
  { attempts = 1, dispatch = true, expiresInMs = 60_000, memoryBytes = 8 * 1024 ** 2 } = {},
): Promise<string> {
  const policy = { version: 1, limits: { memoryBytes } };
  const document = Buffer.from(JSON.stringify({ kind: 'job', version: 1, runtime: 'python', source, policy }));
  const sha256 = createHash('sha256').update(document).digest('hex');
  const uid = newUid();
  const job = { uid, tenant: 'acme', id: uid, document, sha256, attempts, priority: 5, expiresInMs };
  const answer = await protocol.accept(job);
  if (answer.answer !== 'created') throw new Error(answer.answer);
  const queue = openBullQueue(connection, QUEUE);
  queue.on('error', () => undefined);
  if (dispatch) await addReleased(queue, answer.releases);
  return uid;
}

async function until<T>(what: string, look: () => Promise<T | null | false>, withinMs = 10_000): Promise<T> {
  for (const end = performance.now() + withinMs; performance.now() < end; await sleep(10)) {
    const found = await look();
    if (found !== null && found !== false) return found;
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}

async function resultFor(uid: string, withinMs = 10_000): Promise<Result> {
  return until(
    `a result of ${uid}`,
    async () => {
      const answer = await protocol.readResult(uid);
      return answer.answer === 'result' && (JSON.parse(Buffer.from(answer.bytes).toString()) as Result);
    },
    withinMs,
  );
}

const begun = (uid: string) => until('begun', async () => (await protocol.peek(uid))?.state === 'running');

/** The events of a job over all logs, with the verdict of the script that took them. */
async function events(uid: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await protocol.listAuditLogs()) {
    for (const { bytes, verdict } of await protocol.readAudit({ log: name, afterSeq: 0, limit: 100 })) {
      const record = JSON.parse(Buffer.from(bytes).toString()) as { uid: string; event: string };
      if (record.uid === uid) found.push(`${record.event} ${verdict}`);
    }
  }
  return found;
}

it('runs a job once and tells the audit log', async () => {
  await serve('w-one');
  const uid = await submit('sleep 1');
  expect(await resultFor(uid)).toMatchObject({ uid, epoch: 1, tenant: 'acme', outcome: { kind: 'exited' } });
  expect(runs).toEqual(['w-one 1']);
  expect(await events(uid)).toEqual(['accepted run', 'started run', 'finished ok']);
});

it('keeps large content beside the result', async () => {
  await serve('w-one');
  const { stdout } = await resultFor(await submit('large'));
  expect(stdout?.text).toBeUndefined();
  const bytes = await protocol.getBlob('acme', stdout?.blob ?? '');
  expect(bytes?.length).toBe(100_000);
});

it('serves a queue that was filled before it came, and jobs that nobody handed to BullMQ', async () => {
  const early = await submit('sleep 1');
  await serve('w-one');
  const orphan = await submit('sleep 1', { dispatch: false });
  expect((await resultFor(early)).outcome.kind).toBe('exited');
  expect((await resultFor(orphan)).outcome.kind).toBe('exited');
});

it('cancels a waiting job and a running one', async () => {
  await serve('w-one', { slots: 1 });
  const running = await submit('sleep 60000');
  await begun(running);
  const waiting = await submit('sleep 1');
  await protocol.cancel({ tenant: 'acme', id: waiting });
  expect(await resultFor(waiting, 1_000)).toMatchObject({ epoch: 0, outcome: { kind: 'cancelled', by: 'caller' } });
  expect(await events(waiting)).toEqual(['accepted ok', 'finished ok']);
  await protocol.cancel({ tenant: 'acme', id: running });
  expect(await resultFor(running, 1_000)).toMatchObject({ epoch: 1, outcome: { kind: 'cancelled' } });
});

it('commits the expiry of a job that waited too long', async () => {
  await serve('w-one', { slots: 1 });
  await begun(await submit('sleep 1500'));
  const late = await submit('sleep 1', { expiresInMs: 100 });
  expect(await resultFor(late, 5_000)).toMatchObject({ epoch: 0, outcome: { kind: 'expired' } });
});

it('lets a failure of ours begin again while attempts allow', async () => {
  await serve('w-one');
  const uid = await submit('fail', { attempts: 3 });
  expect(await resultFor(uid)).toMatchObject({ epoch: 3, outcome: { kind: 'failed', step: 'mount' } });
  expect(runs.length).toBe(3);
  expect(await protocol.findDead(uid)).toMatchObject({ reason: 'step-failed', epoch: 3 });
});

it('what goes back to the queue has told its end: however often, it is not poison', async () => {
  await serve('w-one', { ceilings: { attempts: 10 } });
  const uid = await submit('fail', { attempts: 5 });
  expect(await resultFor(uid)).toMatchObject({ epoch: 5, outcome: { kind: 'failed', step: 'mount' } });
  expect(await protocol.peek(uid)).toMatchObject({ unended: 0 });
});

it('keeps a job while the native layer rests: nothing of it has begun, and its one attempt is not spent', async () => {
  await serve('w-one');
  const uid = await submit('rest 3');
  expect(await resultFor(uid)).toMatchObject({ epoch: 1, outcome: { kind: 'exited' } });
  expect(runs).toEqual(['w-one 1', 'w-one 1', 'w-one 1', 'w-one 1']);
});

it('ends a job that is cancelled while the native layer rests', async () => {
  await serve('w-one');
  const uid = await submit('rest 100000');
  await begun(uid);
  await protocol.cancel({ tenant: 'acme', id: uid });
  expect(await resultFor(uid)).toMatchObject({ epoch: 1, outcome: { kind: 'cancelled', by: 'caller' } });
});

it('drains: what may begin again goes to another worker at once, the rest finishes here', async () => {
  const leaving = await serve('w-one');
  const last = await submit('sleep 700');
  const repeatable = await submit('sleep 800', { attempts: 2 });
  await Promise.all([begun(last), begun(repeatable)]);
  await serve('w-two');
  const asked = performance.now();
  const stopped = leaving.stop();
  await until('it began again', async () => (await protocol.peek(repeatable))?.epoch === 2);
  expect(performance.now() - asked).toBeLessThan(200);
  expect(await resultFor(last)).toMatchObject({ epoch: 1, worker: 'w-one', outcome: { kind: 'exited' } });
  await stopped;
  expect(await resultFor(repeatable)).toMatchObject({ epoch: 2, worker: 'w-two', outcome: { kind: 'exited' } });
});

it('drains: what does not finish in time ends worker-lost, and the worker ends', async () => {
  const leaving = await serve('w-one', { drainMs: 200 });
  const uid = await submit('sleep 60000');
  await begun(uid);
  const asked = performance.now();
  await leaving.stop();
  expect(performance.now() - asked).toBeLessThan(2_200);
  expect(await resultFor(uid)).toMatchObject({ epoch: 1, outcome: { kind: 'worker-lost', reason: 'drain' } });
});

it('stops at once when it is asked twice', async () => {
  const leaving = await serve('w-one', { drainMs: 60_000 });
  const uid = await submit('sleep 60000');
  await begun(uid);
  void leaving.stop();
  const asked = performance.now();
  await leaving.stop();
  expect(performance.now() - asked).toBeLessThan(2_000);
  expect((await resultFor(uid)).outcome.kind).toBe('worker-lost');
});

it('waits for Redis at its start, and can be stopped while it waits', async () => {
  await redis.kill('SIGKILL');
  const service = await open('w-one');
  const starting = service.start();
  await sleep(300);
  await redis.restart();
  await starting;
  expect((await resultFor(await submit('sleep 1'))).outcome.kind).toBe('exited');
  await redis.kill('SIGKILL');
  const second = await open('w-two');
  const waiting = second.start();
  await sleep(100);
  const asked = performance.now();
  await second.stop();
  await waiting;
  expect(performance.now() - asked).toBeLessThan(2_000);
});

it('keeps a result on disk while Redis is away, and commits it when it is back', async () => {
  await serve('w-one', { lockMs: 10_000 });
  const uid = await submit('sleep 300');
  await begun(uid);
  await redis.kill('SIGKILL');
  const directory = join(spoolOfQueue(), 'w-one');
  await until('spooled', async () => readdirSync(directory).length === 1);
  await redis.restart();
  expect(await resultFor(uid)).toMatchObject({ epoch: 1, outcome: { kind: 'exited' } });
  await until('the spool is empty', async () => readdirSync(directory).length === 0);
  expect(runs).toEqual(['w-one 1']);
});

it('a worker commits what a dead one of its host left on disk', async () => {
  const leaving = await serve('w-one', { drainMs: 500, lockMs: 60_000 });
  const uid = await submit('sleep 200');
  await begun(uid);
  await redis.kill('SIGKILL');
  await until('spooled', async () => readdirSync(join(spoolOfQueue(), 'w-one')).length === 1);
  await leaving.stop();
  await redis.restart();
  await connection.del(`bp:{${QUEUE}:0}:worker:w-one`, `bp:{${QUEUE}:0}:workers`);
  await serve('w-two', { lockMs: 60_000 });
  expect(await resultFor(uid)).toMatchObject({ worker: 'w-one', outcome: { kind: 'exited' } });
  expect(readdirSync(spoolOfQueue())).toEqual(['w-two']);
});

it('fences itself while Redis is away: the sandbox is killed and nothing is spooled', async () => {
  await serve('w-one', { lockMs: 1_000 });
  const uid = await submit('sleep 60000');
  await begun(uid);
  await redis.kill('SIGKILL');
  await sleep(1_500);
  expect(readdirSync(join(spoolOfQueue(), 'w-one'))).toEqual([]);
  await redis.restart();
  expect(await resultFor(uid, 15_000)).toMatchObject({ epoch: 1, outcome: { kind: 'worker-lost' } });
  expect(runs).toEqual(['w-one 1']);
});

const LARGE_CEILING = { ceilings: { limits: { memoryBytes: 2 ** 40 } } };
/** Of two such jobs only one can run at a time, whatever else runs on this host. */
const most = () => Math.floor(readHostMemory().available * 0.6);

it('begins no job for which there is no memory beside those that run: it waits for them', async () => {
  await serve('w-one', LARGE_CEILING);
  const uids = [await submit('sleep 500', { memoryBytes: most() }), await submit('sleep 500', { memoryBytes: most() })];
  for (const uid of uids) expect(await resultFor(uid)).toMatchObject({ epoch: 1, outcome: { kind: 'exited' } });
  const states = await Promise.all(uids.map((uid) => protocol.peek(uid)));
  const [first, second] = states.sort((a, b) => (a?.startedAtMs ?? 0) - (b?.startedAtMs ?? 0));
  expect(second?.startedAtMs).toBeGreaterThanOrEqual(first?.finishedAtMs ?? Number.POSITIVE_INFINITY);
});

it('begins two at a time where there is memory for both', async () => {
  await serve('w-one', LARGE_CEILING);
  const uids = [await submit('sleep 1500'), await submit('sleep 1500')];
  await Promise.all(uids.map(begun));
  expect(await Promise.all(uids.map(async (uid) => (await protocol.peek(uid))?.state))).toEqual(['running', 'running']);
});

it('a job that waits for memory can be cancelled, and goes elsewhere at once when its worker drains', async () => {
  const leaving = await serve('w-one', { ...LARGE_CEILING, drainMs: 500 });
  const running = await submit('sleep 60000', { memoryBytes: most() });
  await begun(running);
  const cancelled = await submit('sleep 1', { memoryBytes: most() });
  await sleep(300);
  await protocol.cancel({ tenant: 'acme', id: cancelled });
  expect(await resultFor(cancelled)).toMatchObject({ epoch: 0, outcome: { kind: 'cancelled' } });
  const moved = await submit('sleep 1', { memoryBytes: most() });
  await sleep(300);
  await serve('w-two', LARGE_CEILING);
  void leaving.stop();
  expect(await resultFor(moved)).toMatchObject({ epoch: 1, worker: 'w-two', outcome: { kind: 'exited' } });
});

it('refuses what this host could never hold, before it begins', async () => {
  await serve('w-one', LARGE_CEILING);
  const uid = await submit('sleep 1', { memoryBytes: 2 ** 40 });
  const outcome = { kind: 'unavailable', layer: 'cgroup-memory', message: expect.stringContaining('Remedy') };
  expect(await resultFor(uid)).toMatchObject({ epoch: 0, outcome });
  expect(await events(uid)).toEqual(['accepted ok', 'finished ok']);
  expect(runs).toEqual([]);
});

it('refuses to serve beside a worker that offers something else, unless mixed', async () => {
  await serve('w-one');
  const other = await open('w-two', { policies: { strict: { version: 1 } } });
  await expect(other.start()).rejects.toBeInstanceOf(OfferDiffersError);
  const mixed = await open('w-three', { policies: { strict: { version: 1 } } }, true);
  await mixed.start();
  expect(await protocol.countWorkers()).toBe(2);
});

it('says to the queue what its configuration says of tenants, and releases at once what an operator lifts', async () => {
  const tenants = { named: { acme: { weight: 7, maxRunningJobs: 1 } } };
  await serve('one', { document: { version: 1, tenants } });
  expect((await protocol.readTenant('acme')).limits.weight).toEqual({ value: 7, from: 'configured' });
  const long = await submit('sleep 60000');
  await begun(long);
  const next = await submit('sleep 60001');
  expect((await protocol.peek(next))?.state).toBe('waiting');
  expect(await protocol.readTenant('acme')).toMatchObject({ queuedJobs: 1, runningJobs: 1 });
  await protocol.limitTenant('acme', { maxRunningJobs: 2 });
  await begun(next);
  expect((await protocol.peek(long))?.state).toBe('running');
});
