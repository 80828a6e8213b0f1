import { setMaxListeners } from 'node:events';
import { newUid } from '../protocol/index.ts';
import type { Result } from '../schemas/types.ts';
import { accept } from './accept.ts';
import type {
  DeadJobs,
  JobHandle,
  JobInput,
  Producer,
  QueueStats,
  RunAllOptions,
  Settled,
  SubmitOptions,
  WaitOptions,
} from './api.ts';
import { DeadLetterBox } from './dead.ts';
import { type PreparedJob, prepareJob } from './document.ts';
import { QueuedJob } from './handle.ts';
import type { ProducerSettings } from './options.ts';
import { QueueAccess } from './queue-access.ts';
import { checkTimeout } from './wait.ts';
import { throughWindow } from './window.ts';

const IN_FLIGHT = 32;
const IN_FLIGHT_MAX = 10_000;

/** The producer that `createProducer` makes. */
export class RedisProducer implements Producer {
  readonly #access: QueueAccess;
  readonly #settings: ProducerSettings;
  readonly dead: DeadJobs;

  constructor(settings: ProducerSettings) {
    this.#access = new QueueAccess(settings);
    this.#settings = settings;
    this.dead = new DeadLetterBox(this.#access, settings);
  }

  async submit(job: JobInput, { signal }: SubmitOptions = {}): Promise<JobHandle> {
    return this.#accept(this.#prepare(job), signal);
  }

  async run(job: JobInput, options: WaitOptions = {}): Promise<Result> {
    checkTimeout(options);
    const handle = await this.#accept(this.#prepare(job), options.signal);
    try {
      return await handle.result(options);
    } catch (error) {
      // The job may have ended, or Redis be away: the abort is what the caller is told.
      if (options.signal?.aborted) await handle.cancel('aborted by the caller').catch(() => undefined);
      throw error;
    }
  }

  async *runAll(
    jobs: Iterable<JobInput> | AsyncIterable<JobInput>,
    options: RunAllOptions = {},
  ): AsyncGenerator<Settled> {
    const { inFlight: size = IN_FLIGHT, order = 'completed', signal } = options;
    if (!Number.isInteger(size) || size < 1 || size > IN_FLIGHT_MAX) {
      throw new RangeError(`runAll: inFlight must be an integer from 1 to ${IN_FLIGHT_MAX}`);
    }
    const leaving = new AbortController();
    setMaxListeners(0, leaving.signal);
    const abort = (): void => leaving.abort(signal?.reason);
    const begun = new Set<Promise<Result>>();
    const begin = (job: JobInput): Promise<Result> => {
      const running = this.run(job, { signal: leaving.signal });
      begun.add(running);
      return running.finally(() => begun.delete(running));
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      for await (const settled of throughWindow(jobs, begin, { size, order })) {
        signal?.throwIfAborted();
        yield settled;
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      leaving.abort();
      // The cancellations are on their way: a close() right after the loop must not overtake them.
      await Promise.allSettled(begun);
    }
  }

  job(id: string): JobHandle {
    return new QueuedJob(this.#access, {
      id,
      tenant: this.#settings.tenant ?? 'default',
      status: 'attached',
      uid: null,
    });
  }

  stats(): Promise<QueueStats> {
    return this.#access.stats();
  }

  close(): Promise<void> {
    return this.#access.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #prepare(job: JobInput): PreparedJob {
    return prepareJob(job, { ...this.#settings, uid: newUid() });
  }

  async #accept(job: PreparedJob, signal: AbortSignal | undefined): Promise<QueuedJob> {
    const { uid, status } = await this.#access.tracing.submitting(job, (trace) =>
      accept(this.#access, { ...job, trace }, signal),
    );
    return new QueuedJob(this.#access, { id: job.id, tenant: job.tenant, status, uid });
  }
}
