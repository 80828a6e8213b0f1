// Copies the audit logs of a queue out of Redis as they are: all that is there, or what came since an earlier export.

import { createHash } from 'node:crypto';
import { endLine, headerLine, type LogHead, recordLine, sortHeads } from '../audit/export-format.ts';
import type { AuditHead, Protocol, StoredRecord } from '../protocol/index.ts';

const BATCH = 1_000;

/** Records that an export should begin with are not in Redis any more, or never were. */
export class AuditGapError extends Error {
  override readonly name = 'AuditGapError';
  readonly code = 'audit-gap';
}

/** What is exported, and from where on. */
export interface ExportSource {
  readonly protocol: Protocol;
  readonly queue: string;
  /** Where an earlier export ends; null to begin with the oldest record that Redis has. */
  readonly after: readonly LogHead[] | null;
}

/** What was written. */
export interface Exported {
  readonly records: number;
  readonly heads: LogHead[];
}

/**
 * Writes an export, up to where all logs ended at one moment. `write` gets whole lines.
 * @throws AuditGapError when an export can't go on where the earlier one ends.
 */
export async function exportAudit(
  { protocol, queue, after }: ExportSource,
  write: (line: Uint8Array) => Promise<void>,
): Promise<Exported> {
  const heads = await protocol.readAuditHeads(await protocol.listAuditLogs());
  const from = new Map((after ?? (await beginnings(protocol, heads))).map((head) => [head.log, head]));
  const hash = createHash('sha256');
  const put = async (line: Uint8Array): Promise<void> => {
    hash.update(line);
    await write(line);
  };
  await put(Buffer.from(headerLine(queue, [...from.values()])));
  const ends = new Map(from);
  let records = 0;
  for (const [log, head] of heads) {
    for await (const record of recordsBetween(protocol, log, { after: from.get(log)?.seq ?? 0, upTo: head.seq })) {
      await put(recordLine({ log, ...record }));
      ends.set(log, { log, seq: record.seq, sha256: record.sha256 });
      records += 1;
    }
  }
  const sorted = sortHeads(ends.values());
  await write(Buffer.from(endLine({ records, heads: sorted, sha256: hash.digest('hex') })));
  return { records, heads: sorted };
}

/** Where the logs begin whose first records were trimmed, as their oldest record says. */
async function beginnings(protocol: Protocol, heads: ReadonlyMap<string, AuditHead>): Promise<LogHead[]> {
  const found: LogHead[] = [];
  for (const log of heads.keys()) {
    const [oldest] = await protocol.readAudit({ log, afterSeq: 0, limit: 1 });
    const before = oldest && oldest.seq > 1 ? previousOf(oldest) : null;
    if (oldest && before) found.push({ log, seq: oldest.seq - 1, sha256: before });
  }
  return found;
}

/** What a record names as the one before; null when it says nothing of the kind. */
function previousOf({ bytes }: StoredRecord): string | null {
  return /"prev":"([0-9a-f]{64})"/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? null;
}

async function* recordsBetween(
  protocol: Protocol,
  log: string,
  { after, upTo }: { after: number; upTo: number },
): AsyncGenerator<StoredRecord> {
  for (let afterSeq = after; afterSeq < upTo; ) {
    const batch = await protocol.readAudit({ log, afterSeq, limit: BATCH });
    const [first] = batch;
    if (after > 0 && afterSeq === after && first?.seq !== after + 1) {
      throw new AuditGapError(`records of ${log} from ${after + 1} on are not in Redis: the export cannot go on there`);
    }
    yield* batch.filter(({ seq }) => seq <= upTo);
    const last = batch.at(-1)?.seq ?? upTo;
    if (batch.length < BATCH || last <= afterSeq) return;
    afterSeq = last;
  }
}
