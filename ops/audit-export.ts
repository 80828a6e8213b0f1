// Copies the audit logs of a queue into a file, as they are: a record a line, beside the hash that the next one names.

import { writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Protocol, type StoredRecord } from '../protocol/index.ts';

const BATCH = 1_000;

/** Writes every record of every worker's log, log by log and in order; `{ sha256, verdict, record }` a line. Returns how many. */
export async function exportAudit({
  redis: url,
  queue,
  to,
}: {
  redis: string;
  queue: string;
  to: string;
}): Promise<number> {
  const redis = new Redis(url);
  const protocol = new Protocol(redis, queue);
  try {
    const lines: string[] = [];
    for (const log of await protocol.listAuditLogs()) {
      for await (const record of records(protocol, log)) lines.push(lineOf(record));
    }
    writeFileSync(to, lines.join(''));
    return lines.length;
  } finally {
    redis.disconnect();
  }
}

async function* records(protocol: Protocol, log: string): AsyncGenerator<StoredRecord> {
  for (let afterSeq = 0; ; ) {
    const batch = await protocol.readAudit({ log, afterSeq, limit: BATCH });
    yield* batch;
    if (batch.length < BATCH) return;
    afterSeq = batch.at(-1)?.seq ?? afterSeq;
  }
}

// The record's own bytes are what is hashed: they are not parsed and written again.
function lineOf({ sha256, verdict, bytes }: StoredRecord): string {
  return `{"sha256":"${sha256}","verdict":"${verdict}","record":${Buffer.from(bytes).toString()}}\n`;
}
