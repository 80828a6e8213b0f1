// Copies the audit logs of a queue into a file, as they are: a record a line, each with the hash that the next one names.

import { writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { keysOf } from '../protocol/index.ts';

/** Writes every record of every worker's log, log by log and in order; `{ sha256, record }` a line. Returns how many. */
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
  const keys = keysOf(queue);
  try {
    const lines: string[] = [];
    for (const log of (await redis.smembers(keys.auditLogs)).sort()) {
      for (const [, fields] of await redis.xrange(keys.audit(log), '-', '+')) lines.push(lineOf(fields));
    }
    writeFileSync(to, lines.map((line) => `${line}\n`).join(''));
    return lines.length;
  } finally {
    redis.disconnect();
  }
}

function lineOf(fields: string[]): string {
  const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
  return `{"sha256":${JSON.stringify(field('sha256'))},"record":${field('bytes')}}`;
}
