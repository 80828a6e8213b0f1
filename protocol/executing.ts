import type { OutcomeKind } from '../schemas/types.ts';
import type { BeginAnswer, Beginning, CancelledBy, Commit, CommitAnswer, YieldAnswer } from './answers.ts';
import { auditArguments, gapAnswer, tellStored } from './audit-log.ts';
import { sha256Of } from './blobs.ts';
import { readChunks } from './chunks.ts';
import { bytesAt, integerAt, type Reply, textAt, textsAt, unknownAnswer } from './reply.ts';
import type { QueueRedis } from './scripts.ts';

export async function begin(queue: QueueRedis, b: Beginning): Promise<BeginAnswer> {
  const reply = await queue.run('begin', [b.uid, b.instance, b.token, b.expectedEpoch, ...auditArguments(b.records)]);
  tellStored(b.records, reply);
  return textAt(reply, 0) === 'run' ? runAnswer(queue, b.uid, reply) : otherBeginAnswer(reply);
}

export async function commit(queue: QueueRedis, c: Commit): Promise<CommitAnswer> {
  const result = [c.uid, c.epoch, c.result, c.resultSha256, c.outcome, c.dead ?? ''];
  const times = [c.resultTtlMs, c.tombstoneTtlMs];
  const reply = await queue.run('commit', [...result, ...times, ...auditArguments(c.records)]);
  tellStored(c.records, reply);
  switch (textAt(reply, 0)) {
    case 'ok':
      return { answer: 'ok', releases: textsAt(reply, 1), dropped: textsAt(reply, 2) };
    case 'already':
      return { answer: 'already', same: textAt(reply, 1) === 'same', outcome: textAt(reply, 2) as OutcomeKind };
    case 'fenced':
      return { answer: 'fenced', epoch: integerAt(reply, 1) };
    case 'gone':
      return { answer: 'gone' };
    case 'gap':
      return gapAnswer(reply);
    default:
      throw unknownAnswer('commit', reply);
  }
}

export async function yieldExecution(queue: QueueRedis, e: { uid: string; epoch: number }): Promise<YieldAnswer> {
  const reply = await queue.run('yield', [e.uid, e.epoch]);
  const answer = textAt(reply, 0);
  if (answer === 'fenced') return { answer, epoch: integerAt(reply, 1) };
  if (answer === 'yielded' || answer === 'gone') return { answer };
  throw unknownAnswer('yield', reply);
}

async function runAnswer(queue: QueueRedis, uid: string, reply: Reply): Promise<BeginAnswer> {
  const job = { epoch: integerAt(reply, 1), tenant: textAt(reply, 2), id: textAt(reply, 3) };
  const sha256 = textAt(reply, 7);
  const inChunks = integerAt(reply, 8) > 0;
  const document = inChunks ? await readChunks(queue.redis, (n) => queue.keys.document(uid, n)) : bytesAt(reply, 9);
  if (document === null || sha256Of(document) !== sha256) return { answer: 'corrupt', ...job };
  const acceptedAtMs = Math.floor(integerAt(reply, 6) / 1000);
  const times = { queuedUs: integerAt(reply, 5), acceptedAtMs };
  const told = { trace: textAt(reply, 10) || null, signature: textAt(reply, 11) };
  return { answer: 'run', ...job, attempts: integerAt(reply, 4), ...times, document, sha256, ...told };
}

function otherBeginAnswer(reply: Reply): BeginAnswer {
  const answer = textAt(reply, 0);
  switch (answer) {
    case 'final':
      return { answer, outcome: textAt(reply, 1) as OutcomeKind };
    case 'cancelled':
      return { answer, ...jobOf(reply), by: textAt(reply, 4) as CancelledBy };
    case 'expired':
    case 'lost':
    case 'poison':
      return { answer, ...jobOf(reply) };
    case 'moved':
      return { answer, epoch: integerAt(reply, 1) };
    case 'gone':
      return { answer };
    case 'gap':
      return gapAnswer(reply);
    default:
      throw unknownAnswer('begin', reply);
  }
}

function jobOf(reply: Reply): { epoch: number; tenant: string; id: string } {
  return { epoch: integerAt(reply, 1), tenant: textAt(reply, 2), id: textAt(reply, 3) };
}
