// Removes from Redis what an archive has: exported, signed, and verified just now.

import type { Protocol } from '../protocol/index.ts';
import type { AuditReport } from '../schemas/types.ts';

/** Of each log, how many records were removed, and up to which they are in the archive. */
export interface Trimmed {
  readonly log: string;
  readonly archived: number;
  readonly removed: number;
}

/** Trims each log up to the last record that is both in the exports and under a checkpoint. The latest 1,000 stay in Redis. */
export async function trimAudit(
  protocol: Protocol,
  queue: string,
  { ok, logs, queue: exported }: AuditReport,
): Promise<Trimmed[]> {
  if (!ok || exported !== queue) throw new TypeError('only what was verified of this queue is trimmed');
  const trimmed: Trimmed[] = [];
  for (const { log, signed } of logs) {
    trimmed.push({ log, archived: signed, removed: await protocol.trimAudit({ log, upToSeq: signed }) });
  }
  return trimmed;
}
