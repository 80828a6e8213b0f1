// What a job takes in Redis at each stage of its life: `node test/bench/retention.ts`. The figures of DESIGN.md are those of
// results/retention.json, which this writes.

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { startPrivateRedis } from '../../ops/private-redis.ts';
import {
  AuditChain,
  addReleased,
  BULL_QUEUE_NAME,
  bullPrefix,
  newUid,
  openBullQueue,
  Protocol,
} from '../../protocol/index.ts';
import { AuditRecords } from '../../worker/audit-records.ts';
import { acceptance, commitOf, offer } from '../unit/protocol/bench-queue.ts';
import { describeMachine } from './machine.ts';

const RESULTS = fileURLToPath(new URL('./results/retention.json', import.meta.url));
const JOBS = 2000;
const WARM_UP_JOBS = 20;
const DOCUMENT_BYTES = 1024;
const QUEUE = 'retention';
const INSTANCE = 'w-abcde';
const TENANT = 'acme';
/** Long enough for all that is measured before they end. */
const RESULT_TTL_MS = 600_000;

/** Bytes per job, by stage. */
type Stages = Record<string, number>;

interface Subject {
  outputBytes: number;
}

/** One Redis in which many jobs live at the same pace. */
class Herd {
  readonly stages: Stages = {};
  readonly #redis: Redis;
  readonly #protocol: Protocol;
  readonly #audit: AuditChain;
  readonly #records = new AuditRecords(INSTANCE);
  readonly #subject: Subject;
  readonly #jobs: number;
  #before = 0;
  #uids: string[] = [];

  constructor(redis: Redis, subject: Subject, jobs: number) {
    this.#jobs = jobs;
    this.#redis = redis;
    this.#protocol = new Protocol(redis, QUEUE);
    this.#audit = new AuditChain(INSTANCE, () => this.#protocol.readAuditHead(INSTANCE));
    this.#subject = subject;
  }

  async live(): Promise<void> {
    const bull = openBullQueue(this.#redis, QUEUE);
    const worker = new Worker(BULL_QUEUE_NAME, null, {
      connection: this.#redis,
      prefix: bullPrefix(QUEUE),
      autorun: false,
    });
    await Promise.all([bull.waitUntilReady(), worker.waitUntilReady()]);
    const instance = { instance: INSTANCE, slots: this.#jobs, ttlMs: RESULT_TTL_MS };
    await this.#protocol.register({ ...offer(instance), slots: 0 });
    await this.#protocol.release();
    this.#before = await this.#used();
    await this.#accept();
    await this.#note('waiting');
    const registered = await this.#protocol.register(offer(instance));
    const released = registered.answer === 'registered' ? [...registered.releases] : [];
    while (released.length < this.#jobs) released.push(...(await this.#protocol.release()));
    await addReleased(bull, released);
    await this.#note('released, in BullMQ');
    for (let n = 0; n < this.#jobs; n++) await worker.getNextJob(newUid());
    for (const uid of this.#uids) await this.#begin(uid);
    await this.#note('running, with its audit records');
    await this.#end(bull);
    await this.#note('ended, result kept');
    for (const uid of this.#uids) await this.#redis.del(`bp:{${QUEUE}:0}:result:${uid}`);
    await this.#note('ended, result gone');
    await this.#redis.del(`bp:{${QUEUE}:0}:audit:${INSTANCE}`);
    await this.#note('tombstone, audit records exported');
    await bull.close();
    await worker.close();
  }

  async #accept(): Promise<void> {
    const text = randomBytes(DOCUMENT_BYTES / 2).toString('hex');
    for (let n = 0; n < this.#jobs; n++) {
      const document = Buffer.from(`${String(n).padStart(8, '0')}${text.slice(8)}`);
      const { uid } = acceptance(`job-${n}`, { tenant: TENANT, document });
      await this.#protocol.accept(acceptance(`job-${n}`, { tenant: TENANT, document, uid }));
      this.#uids.push(uid);
    }
  }

  async #begin(uid: string): Promise<void> {
    const facts = { id: 'job-1', documentSha256: '0'.repeat(64), acceptedAtMs: Date.now() };
    const job = { uid, tenant: TENANT, epoch: 1 };
    const events = [this.#records.accepted(job, facts), this.#records.started(job, 1)];
    await this.#audit.append(events, (records) =>
      this.#protocol.begin({ uid, instance: INSTANCE, token: `${newUid()}/1`, expectedEpoch: 1, records }),
    );
  }

  async #end(bull: ReturnType<typeof openBullQueue>): Promise<void> {
    const output = 'o'.repeat(this.#subject.outputBytes);
    for (const uid of this.#uids) {
      const commit = { ...commitOf(uid, output), resultTtlMs: RESULT_TTL_MS };
      const job = { uid, tenant: TENANT, epoch: 1, outcome: commit.outcome, resultSha256: commit.resultSha256 };
      const ran = { policySha256: '0'.repeat(64), layers: [], backend: 'process' as const, refusedBy: null };
      const finish = { ...job, ...ran, dead: null, accepted: null, blobs: [], result: commit.result };
      const event = this.#records.finished(finish);
      await this.#audit.append([event], (records) => this.#protocol.commit({ ...commit, records }));
    }
    // What BullMQ does when its worker is done with a job: it forgets it.
    await bull.obliterate({ force: true });
  }

  async #used(): Promise<number> {
    return Number(/^used_memory:(\d+)/m.exec(await this.#redis.info('memory'))?.[1]);
  }

  async #note(stage: string): Promise<void> {
    this.stages[stage] = Math.round(((await this.#used()) - this.#before) / this.#jobs);
  }
}

async function measure(subject: Subject): Promise<Stages> {
  const server = await startPrivateRedis();
  const redis = new Redis(server.url, { maxRetriesPerRequest: null });
  try {
    await redis.config('SET', 'appendonly', 'no');
    await new Herd(redis, subject, WARM_UP_JOBS).live(); // scripts, buffers and tables are there before anything is counted
    await redis.flushall();
    const herd = new Herd(redis, subject, JOBS);
    await herd.live();
    return herd.stages;
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

const small = await measure({ outputBytes: 1024 });
const large = await measure({ outputBytes: 64 * 1024 });
const bytesPerJob = { 'output 1 KiB': small, 'output 64 KiB': large };
const report = { jobs: JOBS, documentBytes: DOCUMENT_BYTES, machine: describeMachine(), bytesPerJob };
writeFileSync(RESULTS, `${JSON.stringify(report, null, 2)}\n`);
for (const [output, stages] of Object.entries(bytesPerJob)) {
  for (const [stage, bytes] of Object.entries(stages))
    console.log(`${output.padEnd(14)} ${stage.padEnd(36)} ${bytes} bytes`);
}
