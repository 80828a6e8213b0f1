// One worker's audit log: the next place, its hash chain, the verdicts of earlier records, repair after a gap.

import canonicalize from 'canonicalize';
import { recordHash } from '../audit/hashes.ts';
import type { AuditRecord, ToldVerdict } from '../schemas/types.ts';
import type { AuditEntry, AuditHead, AuditTail } from './answers.ts';

/** What happened, before it has a place in the log. */
export type AuditEvent = Pick<AuditRecord, 'actor' | 'event' | 'tenant' | 'uid' | 'epoch' | 'body'>;

/** Each try starts from a head that was just read; only another writer of the same log can spoil so many. */
const TRIES = 5;
/** How many verdicts one record may tell. */
const TOLD_MAX = 64;

/** Another process writes the log of this instance, or Redis refuses its records. */
export class AuditChainError extends Error {
  constructor(log: string) {
    super(`audit log ${log}: no record follows its head after ${TRIES} tries: does another worker use this name?`);
    this.name = 'AuditChainError';
  }
}

/** RFC 8785 bytes of a document that holds only strings, safe integers, booleans, null, arrays and objects. */
export function canonicalBytes(document: unknown): Uint8Array {
  const text = canonicalize(document);
  if (text === undefined) throw new TypeError('only a JSON document has canonical bytes');
  return Buffer.from(text, 'utf8');
}

/**
 * The audit log of one worker instance, as its only writer sees it: gives each event its place and hash, in the order of the calls.
 *
 * Records are sent without waiting for those before (`send` must issue its command before it returns). What a script decided about a
 * record is known only afterwards, so a later record tells it. When the answer is `gap` — a reply was lost, Redis lost its last
 * second, the log was continued by an earlier start — all that is under way is awaited, the end of the log is read again, and what
 * was refused is sent anew.
 */
export class AuditChain {
  readonly log: string;
  readonly #readTail: () => Promise<AuditTail>;
  #head: AuditHead | null = null;
  /** Verdicts that no record tells yet, the oldest first. */
  #untold: ToldVerdict[] = [];
  #reading: Promise<void> | null = null;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(log: string, readTail: () => Promise<AuditTail>) {
    this.log = log;
    this.#readTail = readTail;
  }

  /**
   * Seals events as the next records and sends them with a call of the protocol, whose answer it returns.
   * @throws AuditChainError when the log refuses the records again and again; and whatever `send` throws.
   */
  async append<A extends { answer: string }>(
    events: AuditEvent[],
    send: (records: AuditEntry[]) => Promise<A>,
  ): Promise<Exclude<A, { answer: 'gap' }>> {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      // No await between a known head and the sending of what follows it.
      while (this.#head === null) await this.#readAgain();
      const answer = await this.#track(send(this.#seal(this.#head, events)));
      if (answer.answer !== 'gap') return answer as Exclude<A, { answer: 'gap' }>;
      this.#head = null;
    }
    throw new AuditChainError(this.log);
  }

  /** Place of the last record sealed; 0 for an empty log. Reads the head if it isn't known. */
  async lastSeq(): Promise<number> {
    while (this.#head === null) await this.#readAgain();
    return this.#head.seq;
  }

  #seal(head: AuditHead, events: AuditEvent[]): AuditEntry[] {
    let { seq, sha256: prev } = head;
    const entries = events.map((event): AuditEntry => {
      seq += 1;
      const place = { v: 1, log: this.log, seq, prev, at: new Date().toISOString() };
      const bytes = canonicalBytes({ ...place, ...event, ...this.#tell() });
      const told = seq;
      const onStored: AuditEntry['onStored'] = (verdict) => this.#untold.push({ seq: told, verdict });
      const entry = { log: this.log, seq, prev, sha256: recordHash(bytes), bytes, onStored };
      prev = entry.sha256;
      return entry;
    });
    this.#head = { seq, sha256: prev };
    return entries;
  }

  #tell(): { verdicts?: ToldVerdict[] } {
    const verdicts = this.#untold.splice(0, TOLD_MAX);
    return verdicts.length > 0 ? { verdicts } : {};
  }

  /** One reading for all who wait for the head, after everything under way has been answered. */
  #readAgain(): Promise<void> {
    this.#reading ??= Promise.allSettled(this.#underWay)
      .then(this.#readTail)
      .then(({ seq, sha256, verdicts = [] }) => {
        this.#head = { seq, sha256 };
        // What was known may be of records that are no more. What is told twice does no harm.
        this.#untold = verdicts.slice(-TOLD_MAX);
      })
      .finally(() => {
        this.#reading = null;
      });
    return this.#reading;
  }

  /** A call that failed leaves it open whether its records were stored. */
  async #track<A>(sent: Promise<A>): Promise<A> {
    this.#underWay.add(sent);
    try {
      return await sent;
    } catch (error) {
      this.#head = null;
      throw error;
    } finally {
      this.#underWay.delete(sent);
    }
  }
}
