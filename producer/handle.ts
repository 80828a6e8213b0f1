import type { Result } from '../schemas/types.ts';
import type { JobHandle, JobState, WaitOptions } from './api.ts';
import { JobNotFoundError, ResultExpiredError } from './errors.ts';
import type { QueueAccess } from './queue-access.ts';
import { type ContentHolder, contentBytes, type FetchBlob, openResult } from './result.ts';
import { awaitResult, checkTimeout } from './wait.ts';

/** A blob can be 16 MiB. */
const TRANSFER_MS = 30_000;

interface Known {
  id: string;
  tenant: string;
  status: JobHandle['status'];
  /** The system's own name of the job; `null` until it is looked up. */
  uid: string | null;
}

/** A job in the queue, by id. */
export class QueuedJob implements JobHandle {
  readonly id: string;
  readonly tenant: string;
  readonly status: JobHandle['status'];
  readonly #access: QueueAccess;
  #uid: string | null;

  constructor(access: QueueAccess, { id, tenant, status, uid }: Known) {
    this.id = id;
    this.tenant = tenant;
    this.status = status;
    this.#access = access;
    this.#uid = uid;
  }

  async result(options: WaitOptions = {}): Promise<Result> {
    checkTimeout(options);
    const { id, tenant, status } = this;
    const stored = await this.#access.tracing.waiting({ id, tenant }, async () => {
      const uid = await this.#findUid(options.signal);
      return awaitResult(this.#access, { id, tenant, uid, isNew: status === 'created' }, options);
    });
    return openResult(this.id, stored, this.#fetch);
  }

  async state(): Promise<JobState> {
    const state = await this.#access.ask(this.id, (protocol) => protocol.readState(this.tenant, this.id));
    if (state === null) throw new JobNotFoundError(this.id);
    return state;
  }

  async cancel(reason?: string): Promise<'requested' | 'already-final'> {
    const request = { tenant: this.tenant, id: this.id, ...(reason !== undefined && { reason }) };
    const answer = await this.#access.ask(this.id, (protocol) => protocol.cancel(request));
    if (answer.answer === 'unknown') throw new JobNotFoundError(this.id);
    return answer.answer === 'final' ? 'already-final' : 'requested';
  }

  async content(content: ContentHolder): Promise<Uint8Array> {
    const bytes = await contentBytes(this.id, content, this.#fetch);
    if (bytes !== null) return bytes;
    throw new ResultExpiredError(this.id, (await this.state()).outcome ?? 'failed');
  }

  readonly #fetch: FetchBlob = (reference) =>
    this.#access.ask(this.id, (protocol) => protocol.getBlob(this.tenant, reference), { transferMs: TRANSFER_MS });

  async #findUid(signal: AbortSignal | undefined): Promise<string> {
    this.#uid ??= await this.#access.ask(this.id, (protocol) => protocol.lookup(this.tenant, this.id), { signal });
    if (this.#uid === null) throw new JobNotFoundError(this.id);
    return this.#uid;
  }
}
