// What a checkpoint says: the state of one log, as a C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) with four lines of its own.

import { HASH_BYTES } from './hashes.ts';
import { MerkleTree } from './tree.ts';

/** The state of a log at a size. */
export interface Checkpoint {
  /** `KEYNAME/QUEUE/LOG`: which log, and by whose word. */
  readonly origin: string;
  /** Records, from the first. */
  readonly size: number;
  /** RFC 6962 root over the leaves of all of them. */
  readonly root: Buffer;
  /** SHA-256 (hex) of the checkpoint file before, of whichever log; 64 zeros in the first. */
  readonly previous: string;
  /** SHA-256 (hex) of the last record: the next one names it. */
  readonly head: string;
  /** The tree at this size: from here on it can be continued without the records before. */
  readonly tree: MerkleTree;
  /** When it was signed, by the clock of the machine that did. */
  readonly at: string;
}

const TEXT =
  /^(?<origin>[^\s+]+)\n(?<size>[1-9][0-9]{0,15})\n(?<root>[A-Za-z0-9+/=]{44})\nprevious (?<previous>[0-9a-f]{64})\nhead (?<head>[0-9a-f]{64})\npeaks (?<peaks>[A-Za-z0-9+/=]+)\nat (?<at>[0-9TZ:.-]{24})\n$/;

export function originOf(keyName: string, queue: string, log: string): string {
  return `${keyName}/${queue}/${log}`;
}

/** Queue and log of an origin under this key's name; null when it is another's. */
export function logOf(origin: string, keyName: string): { queue: string; log: string } | null {
  const [queue, log, ...more] = origin.startsWith(`${keyName}/`) ? origin.slice(keyName.length + 1).split('/') : [];
  return queue === undefined || log === undefined || more.length > 0 ? null : { queue, log };
}

/** The text to sign. */
export function checkpointText({ origin, size, root, previous, head, tree, at }: Checkpoint): string {
  const peaks = Buffer.concat(tree.peaks).toString('base64');
  const state = `${origin}\n${size}\n${root.toString('base64')}\n`;
  return `${state}previous ${previous}\nhead ${head}\npeaks ${peaks}\nat ${at}\n`;
}

/** Reads a signed text; null when it isn't a checkpoint of ours, or one that contradicts itself. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const fields = TEXT.exec(text)?.groups;
  if (fields === undefined) return null;
  const { origin = '', previous = '', head = '', at = '' } = fields;
  const [size, root] = [Number(fields['size']), Buffer.from(fields['root'] ?? '', 'base64')];
  const tree = Number.isSafeInteger(size) ? MerkleTree.of(size, splitHashes(fields['peaks'] ?? '')) : null;
  return tree?.root().equals(root) ? { origin, size, root, previous, head, tree, at } : null;
}

function splitHashes(base64: string): Buffer[] {
  const all = Buffer.from(base64, 'base64');
  return Array.from({ length: Math.ceil(all.length / HASH_BYTES) }, (_, n) =>
    all.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES),
  );
}
