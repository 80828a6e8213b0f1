import { createHash } from 'node:crypto';
import { type Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { addReleased, BULL_QUEUE_NAME, bullPrefix, newUid, openBullQueue, Protocol } from '../../../protocol/index.ts';
import type { Job, Outcome, Result } from '../../../schemas/types.ts';

/** What a job is answered with, beside its names. */
export type Answer = Partial<Result> & { outcome: Outcome };

export const EXITED: Answer = {
  outcome: { kind: 'exited', exitCode: 0, phase: 'run' },
  attribution: 'guest',
  rewardSafe: true,
};

/** A stream of a result with its content inline. */
export function stream(text: string): NonNullable<Result['stdout']> {
  const bytes = Buffer.byteLength(text);
  return { text, bytes, totalBytes: bytes, truncated: false, sha256: sha256(text) };
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A result document for a job as a worker would write it. */
export function resultFor(
  names: { id: string; tenant: string; uid: string; epoch: number },
  answer: Answer,
): Uint8Array {
  const now = new Date().toISOString();
  const rest = {
    artifacts: [],
    artifactsTruncated: false,
    limitsHit: [],
    worker: 'w-test',
    startedAt: now,
    finishedAt: now,
  };
  const base = { kind: 'result', version: 1, attribution: 'guest', rewardSafe: false, ...rest };
  return Buffer.from(JSON.stringify({ ...base, ...names, ...answer }));
}

/** Begins a job and commits an answer, as the worker's protocol has it, without a sandbox. */
export async function finish(protocol: Protocol, uid: string, answer: Answer = EXITED): Promise<string[]> {
  const begun = await protocol.begin({ uid, instance: 'w-test', token: newUid(), expectedEpoch: 1, records: [] });
  if (begun.answer !== 'run') throw new Error(`begin answered ${begun.answer}`);
  const { tenant, id, epoch } = begun;
  const result = resultFor({ id, tenant, uid, epoch }, answer);
  return commit(protocol, { uid, epoch, result, outcome: answer.outcome });
}

/** Commits any bytes as the result. */
export async function commit(
  protocol: Protocol,
  c: { uid: string; epoch: number; result: Uint8Array; outcome: Outcome; resultTtlMs?: number; resultSha256?: string },
): Promise<string[]> {
  const committed = await protocol.commit({
    uid: c.uid,
    epoch: c.epoch,
    result: c.result,
    resultSha256: c.resultSha256 ?? sha256(c.result),
    outcome: c.outcome.kind,
    dead: null,
    resultTtlMs: c.resultTtlMs ?? 60_000,
    tombstoneTtlMs: 600_000,
    records: [],
  });
  if (committed.answer !== 'ok') throw new Error(`commit answered ${committed.answer}`);
  return committed.releases;
}

/** A worker without sandboxes: takes released jobs from BullMQ and answers each from its document. */
export class AnsweringWorker {
  readonly #redis: Redis;
  readonly #blocking: Redis;
  readonly #bull: Worker;
  readonly #protocol: Protocol;
  readonly #queue: Queue;
  readonly #answer: (job: Job) => Promise<Answer>;
  /** Most jobs that were under way at once. */
  most = 0;
  #underWay = 0;

  private constructor(url: string, queue: string, answer: (job: Job) => Promise<Answer>) {
    this.#answer = answer;
    this.#redis = new Redis(url, { maxRetriesPerRequest: null });
    this.#blocking = this.#redis.duplicate();
    this.#protocol = new Protocol(this.#redis, queue);
    this.#queue = openBullQueue(this.#redis, queue);
    this.#bull = new Worker(BULL_QUEUE_NAME, async (job) => this.#do(job.id ?? ''), {
      connection: this.#blocking,
      prefix: bullPrefix(queue),
      concurrency: 64,
    });
  }

  static async start(
    url: string,
    queue: string,
    answer: (job: Job) => Promise<Answer> = async () => EXITED,
  ): Promise<AnsweringWorker> {
    const worker = new AnsweringWorker(url, queue, answer);
    await worker.#register();
    return worker;
  }

  async close(): Promise<void> {
    await this.#bull.close(true);
    await this.#queue.close();
    this.#blocking.disconnect();
    this.#redis.disconnect();
  }

  async #register(): Promise<void> {
    const offer = {
      instance: 'w-test',
      bootId: newUid(),
      slots: 64,
      digest: 'd',
      offer: '{}',
      ttlMs: 60_000,
      mixed: false,
    };
    const registered = await this.#protocol.register(offer);
    if (registered.answer === 'registered') await addReleased(this.#queue, registered.releases);
  }

  async #do(uid: string): Promise<void> {
    this.#underWay += 1;
    this.most = Math.max(this.most, this.#underWay);
    const begun = await this.#protocol.begin({
      uid,
      instance: 'w-test',
      token: newUid(),
      expectedEpoch: 1,
      records: [],
    });
    if (begun.answer === 'run') {
      const { tenant, id, epoch } = begun;
      const answer = await this.#answer(JSON.parse(Buffer.from(begun.document).toString()) as Job);
      const result = resultFor({ id, tenant, uid, epoch }, answer);
      const releases = await commit(this.#protocol, { uid, epoch, result, outcome: answer.outcome });
      await addReleased(this.#queue, releases);
    }
    this.#underWay -= 1;
  }
}
