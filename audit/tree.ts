// The Merkle tree of RFC 6962 over a log that only grows: a hash for each complete subtree, nothing else is kept.

import { createHash } from 'node:crypto';
import { HASH_BYTES, nodeHash } from './hashes.ts';

/** Appends leaves and knows the root at any moment; holds one hash per bit of the size that is set. */
export class MerkleTree {
  #size: number;
  /** Roots of the complete subtrees, the largest first. */
  #peaks: Buffer[];

  private constructor(size: number, peaks: Buffer[]) {
    this.#size = size;
    this.#peaks = peaks;
  }

  static empty(): MerkleTree {
    return new MerkleTree(0, []);
  }

  /** The tree of which {@link peaks} are known; null when there can't be so many of them at this size. */
  static of(size: number, peaks: readonly Buffer[]): MerkleTree | null {
    const fits = peaks.length === countBits(size) && peaks.every((peak) => peak.length === HASH_BYTES);
    return fits ? new MerkleTree(size, [...peaks]) : null;
  }

  get size(): number {
    return this.#size;
  }

  /** What a tree of this size needs to go on: its complete subtrees, the largest first. */
  get peaks(): readonly Buffer[] {
    return this.#peaks;
  }

  append(leaf: Buffer): void {
    let subtree = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      subtree = nodeHash(this.#peaks.pop() ?? subtree, subtree);
    }
    this.#peaks.push(subtree);
    this.#size += 1;
  }

  /** The root as RFC 6962 defines it; of an empty tree, the hash of nothing. */
  root(): Buffer {
    const [last, ...larger] = this.#peaks.toReversed();
    if (last === undefined) return createHash('sha256').digest();
    return larger.reduce((right, left) => nodeHash(left, right), last);
  }

  copy(): MerkleTree {
    return new MerkleTree(this.#size, [...this.#peaks]);
  }
}

function countBits(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
