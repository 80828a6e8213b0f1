// The audit logs of a queue, signed, exported and verified, as a cautious operator would: into one directory.

import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { makeKeyPair, parsePrivateKey } from '../audit/keys.ts';
import { verifyAudit } from '../audit/verify.ts';
import { exportAudit } from '../auditor/export.ts';
import { Notary } from '../auditor/notary.ts';
import { Protocol } from '../protocol/index.ts';

/** Leaves `audit.ndjson`, `checkpoints/` and `audit.key.pub`, and says what is wrong with them. The private key is kept nowhere. */
export async function archiveAudit(url: string, queue: string, directory: string): Promise<string[]> {
  const redis = new Redis(url);
  const protocol = new Protocol(redis, queue);
  const { privateText, publicText } = makeKeyPair('bullpen-audit');
  const key = parsePrivateKey(privateText);
  const [file, checkpoints] = [join(directory, 'audit.ndjson'), join(directory, 'checkpoints')];
  try {
    await mkdir(checkpoints);
    await writeFile(join(directory, 'audit.key.pub'), `${publicText}\n`);
    const notary = await Notary.open({ queue, directory: checkpoints, key, settleMs: 0 });
    const { findings } = await notary.round(protocol);
    await exportInto(file, protocol, queue);
    const signed = { directory: checkpoints, key: key.publicKey, known: [] };
    const { faults } = await verifyAudit({ exports: [file], signed, trimmed: false });
    return [...findings, ...faults].map(({ message }) => `audit: ${message}`);
  } finally {
    redis.disconnect();
  }
}

async function exportInto(path: string, protocol: Protocol, queue: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await exportAudit({ protocol, queue, after: null }, (line) => file.appendFile(line));
  } finally {
    await file.close();
  }
}
