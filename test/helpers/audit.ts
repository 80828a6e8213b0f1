import { Redis } from 'ioredis';
import type { AuditRecord } from '../../schemas/types.ts';
import type { Pen } from './pen.ts';

export function connect(url: string): Redis {
  return new Redis(url);
}

/** Every audit record of a pen's queue, over all logs, in the order of each log. */
export async function auditRecords(pen: Pen): Promise<AuditRecord[]> {
  const redis = connect(pen.redis.url);
  try {
    const records: AuditRecord[] = [];
    for (const key of await redis.keys(`bp:{${pen.queue}:0}:audit:*`)) {
      for (const [, fields] of await redis.xrange(key, '-', '+')) {
        const bytes = fields[fields.indexOf('bytes') + 1];
        if (bytes !== undefined) records.push(JSON.parse(bytes) as AuditRecord);
      }
    }
    return records;
  } finally {
    redis.disconnect();
  }
}
