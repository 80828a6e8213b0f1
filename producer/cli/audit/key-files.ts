// Keys in files: the private one readable by its owner alone.

import { readFile, stat, writeFile } from 'node:fs/promises';
import {
  KeyFormatError,
  type PrivateKey,
  type PublicKey,
  parsePrivateKey,
  parsePublicKey,
} from '../../../audit/keys.ts';
import { UsageError } from '../usage-error.ts';

const KEY_MAX_BYTES = 4096;
/** Others may do nothing; a group may read, since secrets are mounted so. */
const FORBIDDEN = 0o027;

export async function readPrivateKey(path: string): Promise<PrivateKey> {
  const text = await readKey(path);
  const { mode } = await stat(path);
  if ((mode & FORBIDDEN) !== 0) {
    throw new UsageError(`${path} can be read or changed by others: chmod 600 ${path}`);
  }
  return parsed(path, () => parsePrivateKey(text));
}

export async function readPublicKey(path: string): Promise<PublicKey> {
  const text = await readKey(path);
  return parsed(path, () => parsePublicKey(text));
}

/** Writes both halves, neither over anything that is there. */
export async function writeKeyPair(path: string, pair: { privateText: string; publicText: string }): Promise<void> {
  await writeFile(path, `${pair.privateText}\n`, { mode: 0o600, flag: 'wx' });
  await writeFile(`${path}.pub`, `${pair.publicText}\n`, { mode: 0o644, flag: 'wx' });
}

async function readKey(path: string): Promise<string> {
  if ((await stat(path)).size > KEY_MAX_BYTES) throw new UsageError(`${path} is too long to be a key`);
  return readFile(path, 'utf8');
}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof KeyFormatError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
}
