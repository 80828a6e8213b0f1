// Dead letters: jobs that we failed and that keep their document, so that they can be tried again.

import type { OutcomeKind } from '../schemas/types.ts';
import { sha256Of } from './blobs.ts';
import { readChunks } from './chunks.ts';
import { textAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';

/** Why a job became a dead letter, with what that means. */
export const DEAD_REASONS = {
  'worker-died': 'its worker went without a word, and no attempt is left',
  'worker-drained': 'its worker stopped before it ended, and no attempt is left',
  'lock-lost': 'its worker lost it while Redis was away, and no attempt is left',
  poison: 'three executions began and none of them ended: it may be what kills its workers',
  'step-failed': 'a step of ours failed, and no attempt is left',
  'document-changed': 'the stored document is not the one that was accepted',
  'inputs-lost': 'a content that its document refers to was missing or altered',
  'result-too-large': 'its result does not fit into a document',
} as const satisfies Record<string, string>;

/** The closed set of reasons. */
export type DeadReason = keyof typeof DEAD_REASONS;

/** Why there is no dead letter (any more): it never was one, or what became of it. */
export type LetterGone = 'unknown' | 'alive' | 'never' | 'dropped' | 'purged' | 'retried' | 'ended';

export interface DeadLetter {
  uid: string;
  tenant: string;
  id: string;
  reason: DeadReason;
  outcome: OutcomeKind;
  /** Executions that began. */
  epoch: number;
  attempts: number;
  acceptedAtMs: number;
  endedAtMs: number;
  /** Bytes of its document, without content that lies beside it. */
  documentBytes: number;
  /** Instance that began it last; null if none did. */
  worker: string | null;
  /** The id of the job that it retries; null if it retries none. */
  retryOf: string | null;
}

/** All dead letters of a queue, which are bounded. */
export interface DeadLetters {
  /** The latest first. */
  letters: DeadLetter[];
  /** Bytes of all their documents. */
  bytes: number;
  /** How many ever lost their document because newer ones needed the room. */
  dropped: number;
  /** When the latest of these did; null if none ever did. */
  droppedAtMs: number | null;
}

export type RetryAnswer =
  /** The names that the retry is to be accepted under. */
  | { answer: 'named'; uid: string; id: string }
  /** Not a dead letter (any more). `retryId`: the id of its retry, if it was retried. */
  | { answer: 'gone'; why: LetterGone; retryId: string | null }
  /** A hundred ids of this form belong to other jobs. */
  | { answer: 'taken' };

const FIELDS = [
  'tenant',
  'id',
  'deadReason',
  'outcome',
  'epoch',
  'attempts',
  'acceptedAtUs',
  'finishedAtUs',
  'owner',
  'retryOf',
] as const;

const RETRY_ID = /^(.+)\.retry-(\d{1,9})$/;

/** All dead letters. Two round trips. */
export async function listDead(queue: QueueRedis): Promise<DeadLetters> {
  const { redis, keys } = queue;
  const [uids, sizes, totals] = await Promise.all([
    redis.zrange(keys.dead, '0', '-1', 'REV'),
    redis.hgetall(keys.deadBytes),
    redis.hgetall(keys.deadTotals),
  ]);
  const letters = await Promise.all(uids.map((uid) => readLetter(queue, uid, Number(sizes[uid] ?? 0))));
  const { bytes = 0, dropped = 0, droppedAtMs = null } = totals;
  return {
    letters: letters.filter((letter) => letter !== null),
    bytes: Number(bytes),
    dropped: Number(dropped),
    droppedAtMs: droppedAtMs === null ? null : Number(droppedAtMs),
  };
}

/** One dead letter; null when the job is none (any more). Two round trips. */
export async function findDead(queue: QueueRedis, uid: string): Promise<DeadLetter | null> {
  const { redis, keys } = queue;
  const [score, bytes] = await Promise.all([redis.zscore(keys.dead, uid), redis.hget(keys.deadBytes, uid)]);
  return score === null ? null : readLetter(queue, uid, Number(bytes ?? 0));
}

/** Why a job is no dead letter, and the id of its retry if it was retried. */
export async function explainNoDead(
  { redis, keys }: QueueRedis,
  uid: string,
): Promise<{ why: LetterGone; retryId: string | null }> {
  const [state, gone, retryId] = await redis.hmget(keys.job(uid), 'state', 'letterGone', 'retryId');
  const why = state === null ? 'unknown' : state === 'final' ? ((gone ?? 'never') as LetterGone) : 'alive';
  return { why, retryId: retryId ?? null };
}

/** What was given as the signature of a job's document, unchecked; empty when nothing was. */
export async function readSignature({ redis, keys }: QueueRedis, uid: string): Promise<string> {
  return (await redis.hget(keys.job(uid), 'signature')) ?? '';
}

/** The document of a job that has not ended, or is a dead letter; null when it has none or another one. Two or three round trips. */
export async function readDocument({ redis, keys }: QueueRedis, uid: string): Promise<Buffer | null> {
  const [inline, chunks, sha256] = await redis.hmgetBuffer(keys.job(uid), 'document', 'documentChunks', 'sha256');
  const inChunks = Number(chunks?.toString() ?? 0) > 0;
  const document = inChunks ? await readChunks(redis, (n) => keys.document(uid, n)) : (inline ?? null);
  return document !== null && sha256Of(document) === sha256?.toString() ? document : null;
}

/** Gives a dead letter's retry its names: `ID.retry-N`, where `ID` is the job's that was submitted first. */
export async function nameRetry(
  queue: QueueRedis,
  { letter, newUid }: { letter: Pick<DeadLetter, 'uid' | 'id' | 'retryOf'>; newUid: string },
): Promise<RetryAnswer> {
  const { stem, first } = retryStem(letter);
  const reply = await queue.run('retry', [letter.uid, newUid, stem, first]);
  switch (textAt(reply, 0)) {
    case 'named':
      return { answer: 'named', uid: textAt(reply, 1), id: textAt(reply, 2) };
    case 'gone': {
      const retryId = textAt(reply, 2);
      return { answer: 'gone', why: textAt(reply, 1) as LetterGone, retryId: retryId === '' ? null : retryId };
    }
    case 'taken':
      return { answer: 'taken' };
    default:
      throw unknownAnswer('retry', reply);
  }
}

/** Takes a dead letter away. False when it is none (any more). */
export async function bury(queue: QueueRedis, uid: string, why: 'purged' | 'retried'): Promise<boolean> {
  return textAt(await queue.run('bury', [uid, why]), 0) === 'buried';
}

/** A retry of a retry counts on. Only what is marked as a retry is one, whatever its id looks like. */
function retryStem({ id, retryOf }: Pick<DeadLetter, 'id' | 'retryOf'>): { stem: string; first: number } {
  const [, origin = id, number = '0'] = (retryOf === null ? null : RETRY_ID.exec(id)) ?? [];
  return { stem: `${origin}.retry-`, first: Number(number) + 1 };
}

async function readLetter({ redis, keys }: QueueRedis, uid: string, documentBytes: number): Promise<DeadLetter | null> {
  const values = await redis.hmget(keys.job(uid), ...FIELDS);
  const of = (name: (typeof FIELDS)[number]) => values[FIELDS.indexOf(name)] ?? null;
  const [tenant, id, reason] = [of('tenant'), of('id'), of('deadReason')];
  if (tenant === null || id === null || reason === null) return null;
  return {
    uid,
    tenant,
    id,
    reason: reason as DeadReason,
    outcome: of('outcome') as OutcomeKind,
    epoch: Number(of('epoch')),
    attempts: Number(of('attempts')),
    acceptedAtMs: Math.floor(Number(of('acceptedAtUs')) / 1000),
    endedAtMs: Math.floor(Number(of('finishedAtUs')) / 1000),
    documentBytes,
    worker: of('owner'),
    retryOf: of('retryOf'),
  };
}
