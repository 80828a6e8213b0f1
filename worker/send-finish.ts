// One try to commit: blobs, then the script with its audit records, then what it released.

import type { CommitAnswer } from './commit-result.ts';
import type { Finish } from './finish.ts';
import type { Workplace } from './workplace.ts';

/** How long results live in Redis, in milliseconds. */
export interface Retention {
  resultTtlMs: number;
  tombstoneTtlMs: number;
}

/** What a blob lives longer than the result that refers to it. */
const BLOB_GRACE_MS = 60_000;

const DROPPED =
  'dead letters lost their documents: there are more than are kept. Remedy: bullpen dead retry, bullpen dead purge';

/** Sends a finish to Redis, once; throws when Redis doesn't answer. */
export async function sendFinish(
  finish: Finish,
  { resultTtlMs, tombstoneTtlMs }: Retention,
  {
    protocol,
    audit,
    records,
    dispatcher,
    watch,
    log,
  }: Pick<Workplace, 'protocol' | 'audit' | 'records' | 'dispatcher' | 'watch' | 'log'>,
): Promise<CommitAnswer> {
  const { uid, tenant, epoch, result, resultSha256, outcome, dead, accepted } = finish;
  for (const blob of finish.blobs) await protocol.putResultBlob(tenant, blob, resultTtlMs + BLOB_GRACE_MS);
  const events = [...(accepted === null ? [] : [records.accepted(finish, accepted)]), records.finished(finish)];
  const commit = { uid, epoch, result, resultSha256, outcome, dead, resultTtlMs, tombstoneTtlMs };
  const answer = await audit.append(events, (entries) => protocol.commit({ ...commit, records: entries }));
  if (answer.answer === 'ok' || (answer.answer === 'already' && answer.same)) watch.final(outcome);
  if (answer.answer === 'already' && !answer.same) log.warn({ exec: `${uid}-${epoch}` }, 'another result counts');
  if (answer.answer === 'gone') return 'already';
  if (answer.answer !== 'ok') return answer.answer;
  if (answer.dropped.length > 0) log.warn({ uids: answer.dropped }, DROPPED);
  await dispatcher.add(answer.releases);
  return 'ok';
}
