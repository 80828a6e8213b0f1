// What is hashed, and how: records into a chain, records with their verdicts into a tree.

import { createHash } from 'node:crypto';

const RECORD_DOMAIN = 'bullpen-audit-v1\0';
const LEAF_DOMAIN = 'bullpen-audit-leaf-v1\0';
// RFC 6962, 2.1: what keeps a leaf from being taken for a node.
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** `prev` of the first record of a log, and what the first checkpoint names as the one before. */
export const NO_HASH = '0'.repeat(64);

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/** SHA-256 (hex) of a record's bytes: what the next record of its log names as `prev`. */
export function recordHash(bytes: Uint8Array): string {
  return createHash('sha256').update(RECORD_DOMAIN).update(bytes).digest('hex');
}

/** RFC 6962 leaf of one record: its hash, and the verdict that Redis keeps beside it. */
export function leafHash(sha256: string, verdict: string): Buffer {
  const leaf = createHash('sha256').update(LEAF).update(LEAF_DOMAIN);
  return leaf.update(Buffer.from(sha256, 'hex')).update(verdict).digest();
}

/** RFC 6962 node above two others. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** SHA-256 (hex) of bytes as they are. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
