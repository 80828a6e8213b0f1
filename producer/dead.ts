// Dead letters for their operator: looked at, tried again, purged

import { BlobCorruptError, isSignedBy, newUid } from '../protocol/index.ts';
import { parseJob } from '../schemas/parse.ts';
import type { Job } from '../schemas/types.ts';
import { accept } from './accept.ts';
import type { DeadFilter, DeadJobs, DeadLetter, DeadLetters, JobHandle, OpenedLetter } from './api.ts';
import { type PreparedJob, prepareJob } from './document.ts';
import { DeadLetterGoneError, JobNotFoundError } from './errors.ts';
import { QueuedJob } from './handle.ts';
import type { ProducerSettings } from './options.ts';
import type { QueueAccess } from './queue-access.ts';

/** Documents and content of a dead letter: 2 MiB and 16 MiB at most. */
const TRANSFER_MS = 30_000;

/** The dead letters that one producer may see. */
export class DeadLetterBox implements DeadJobs {
  readonly #access: QueueAccess;
  readonly #settings: ProducerSettings;

  constructor(access: QueueAccess, settings: ProducerSettings) {
    this.#access = access;
    this.#settings = settings;
  }

  get #tenant(): string | null {
    return this.#settings.tenant;
  }

  async list({ tenant, reason, endedBeforeMs = Infinity }: DeadFilter = {}): Promise<DeadLetters> {
    const of = tenant === undefined ? this.#tenant : this.#tenantFor(tenant);
    const all = await this.#access.ask(null, (protocol) => protocol.listDead(), { transferMs: TRANSFER_MS });
    const isMeant = (letter: DeadLetter) =>
      (of === null || letter.tenant === of) &&
      (reason === undefined || letter.reason === reason) &&
      letter.endedAtMs < endedBeforeMs;
    return { ...all, letters: all.letters.filter(isMeant) };
  }

  async open(id: string, tenant?: string): Promise<OpenedLetter> {
    const letter = await this.#find(id, this.#tenantFor(tenant));
    return { ...letter, document: await this.#documentOf(letter) };
  }

  async retry(id: string, tenant?: string): Promise<JobHandle> {
    const { document, ...letter } = await this.open(id, tenant);
    const content = await this.#contentOf(document, letter);
    const named = await this.#access.ask(id, (protocol) => protocol.nameRetry({ letter, newUid: newUid() }));
    if (named.answer === 'gone') throw new DeadLetterGoneError(id, named.why, named.retryId);
    if (named.answer === 'taken') throw new DeadLetterGoneError(id, 'ids-taken');
    const prepared: PreparedJob = prepareJob(
      { ...document, id: named.id },
      { ...this.#settings, tenant: letter.tenant, uid: named.uid },
    );
    const { status, uid } = await accept(this.#access, { ...prepared, blobs: content, trace: null }, undefined);
    await this.#access.ask(id, (protocol) => protocol.bury(letter.uid, 'retried'));
    return new QueuedJob(this.#access, { id: named.id, tenant: letter.tenant, status, uid });
  }

  async purge(id: string, tenant?: string): Promise<void> {
    const { uid } = await this.#find(id, this.#tenantFor(tenant));
    await this.#access.ask(id, (protocol) => protocol.bury(uid, 'purged'));
  }

  /** A producer of one tenant sees no other's. */
  #tenantFor(tenant: string | undefined): string {
    if (this.#tenant !== null && tenant !== undefined && tenant !== this.#tenant) {
      throw new TypeError(`dead letters of tenant ${tenant} are not this producer's: it submits for ${this.#tenant}`);
    }
    return tenant ?? this.#tenant ?? 'default';
  }

  async #find(id: string, tenant: string): Promise<DeadLetter> {
    const uid = await this.#access.ask(id, (protocol) => protocol.lookup(tenant, id));
    if (uid === null) throw new JobNotFoundError(id);
    const letter = await this.#access.ask(id, (protocol) => protocol.findDead(uid));
    if (letter !== null) return letter;
    const gone = await this.#access.ask(id, (protocol) => protocol.explainNoDead(uid));
    throw new DeadLetterGoneError(id, gone.why, gone.retryId);
  }

  /** With a key, only what such a key has signed: the retry will be signed too. */
  async #documentOf({ uid, id, tenant }: DeadLetter): Promise<Job> {
    const { queue, signingKeys } = this.#settings;
    const document = await this.#access.ask(id, (protocol) => protocol.readDocument(uid), { transferMs: TRANSFER_MS });
    const signature = await this.#access.ask(id, (protocol) => protocol.readSignature(uid));
    const isGenuine = (bytes: Uint8Array): boolean =>
      signingKeys === null || isSignedBy(signingKeys, { queue, tenant, uid, document: bytes }, signature);
    const parsed = document !== null && isGenuine(document) ? parseJob(document) : null;
    if (!parsed?.ok) throw new DeadLetterGoneError(id, 'document-gone');
    return parsed.value;
  }

  /** What lies beside the document, to be stored anew with the retry. */
  async #contentOf(document: Job, { id, tenant }: DeadLetter): Promise<Uint8Array[]> {
    const fetch = (reference: string) =>
      this.#access.ask(id, (protocol) => protocol.getBlob(tenant, reference), { transferMs: TRANSFER_MS });
    const contents: Uint8Array[] = [];
    for (const holder of [document.stdin, ...(document.files ?? [])]) {
      if (holder?.blob === undefined) continue;
      const bytes = await fetch(holder.blob).catch((error: unknown) => {
        if (error instanceof BlobCorruptError) return null;
        throw error;
      });
      if (bytes === null) throw new DeadLetterGoneError(id, 'content-gone');
      contents.push(bytes);
    }
    return contents;
  }
}
