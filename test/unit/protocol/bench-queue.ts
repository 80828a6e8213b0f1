// A queue of its own for every test, in one real Redis per file.

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../../ops/private-redis.ts';
import { sha256Of } from '../../../protocol/blobs.ts';
import {
  type Acceptance,
  type AuditEntry,
  auditHash,
  type BeginAnswer,
  type Commit,
  canonicalBytes,
  type Keys,
  keysOf,
  NO_HASH,
  newUid,
  type Offer,
  Protocol,
} from '../../../protocol/index.ts';

/** Starts a Redis before the file's tests and stops it after them. */
export function useRedis(): { server: PrivateRedis; redis: Redis; queue: () => TestQueue } {
  const used = { queue: () => new TestQueue(used.redis) } as ReturnType<typeof useRedis>;
  beforeAll(async () => {
    used.server = await startPrivateRedis();
    used.redis = new Redis(used.server.url);
    used.redis.on('error', () => undefined);
  });
  afterAll(async () => {
    used.redis.disconnect();
    await used.server.stop();
  });
  return used;
}

export class TestQueue {
  readonly name: string;
  readonly keys: Keys;
  readonly redis: Redis;
  readonly protocol: Protocol;

  constructor(redis: Redis, name = `q-${randomBytes(6).toString('hex')}`) {
    this.name = name;
    this.keys = keysOf(name);
    this.redis = redis;
    this.protocol = new Protocol(redis, name);
  }

  /** Accepts a job; the document differs with the id. Returns its uid and what was released. */
  async accept(id: string, o: Partial<Acceptance> = {}): Promise<{ uid: string; releases: string[] }> {
    const answer = await this.protocol.accept(acceptance(id, o));
    if (answer.answer !== 'created') throw new Error(`accept answered ${answer.answer}`);
    return answer;
  }

  async register(o: Partial<Offer> = {}): Promise<string[]> {
    const answer = await this.protocol.register(offer(o));
    if (answer.answer !== 'registered') throw new Error(`register answered ${answer.answer}`);
    return answer.releases;
  }

  begin(uid: string, o: Partial<Parameters<Protocol['begin']>[0]> = {}): Promise<BeginAnswer> {
    return this.protocol.begin({ uid, instance: 'w-1', token: 't-1', expectedEpoch: 1, records: [], ...o });
  }

  async run(uid: string, o: Partial<Parameters<Protocol['begin']>[0]> = {}) {
    const answer = await this.begin(uid, o);
    if (answer.answer !== 'run') throw new Error(`begin answered ${answer.answer}`);
    return answer;
  }

  commit(uid: string, o: Partial<Commit> = {}) {
    return this.protocol.commit({ ...commitOf(uid), ...o });
  }

  /** Accepts, begins and commits. */
  async finish(id: string, o: Partial<Commit> = {}): Promise<string> {
    const { uid } = await this.accept(id);
    await this.run(uid);
    await this.commit(uid, o);
    return uid;
  }
}

export function acceptance(id: string, o: Partial<Acceptance> = {}): Acceptance {
  const document = o.document ?? Buffer.from(JSON.stringify({ id }));
  const limits = { attempts: 1, priority: 5, expiresInMs: 600_000 };
  return { uid: newUid(), tenant: 'acme', id, document, sha256: sha256Of(document), ...limits, ...o };
}

export function offer(o: Partial<Offer> = {}): Offer {
  const what = { digest: 'same', offer: '{"runtimes":["python"]}', mixed: false };
  return { instance: 'w-1', bootId: 'boot-1', slots: 2, ttlMs: 30_000, ...what, ...o };
}

export function commitOf(uid: string, text = '{"kind":"result"}'): Commit {
  const result = Buffer.from(text);
  const times = { resultTtlMs: 60_000, tombstoneTtlMs: 600_000 };
  const rest = { outcome: 'exited' as const, dead: null, ...times, records: [] };
  return { uid, epoch: 1, result, resultSha256: sha256Of(result), ...rest };
}

/** A record as the chain would make it, at a place of the test's choosing. */
export function record(seq: number, prev: string = NO_HASH, body: object = {}): AuditEntry {
  const bytes = canonicalBytes({ seq, prev, body });
  return { log: 'w-1', seq, prev, sha256: auditHash(bytes), bytes };
}
