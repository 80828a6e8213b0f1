// Secrets that lie in files: read once, bounded, and never repeated in a message.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** A URL, a password, keys: longer files are something else. */
export const SECRET_MAX_BYTES = 4096;
/** A chain of certificates. */
export const PEM_MAX_BYTES = 256 * 1024;

const WRITABLE_BY_OTHERS = 0o022;
const READABLE_BY_OTHERS = 0o004;

/** A secret, and what its file's owner should hear. */
export interface SecretFile {
  /** Without the line end at its end. */
  text: string;
  /** Null when only its owner and its group may read the file. */
  warning: string | null;
}

/** A secret's file can't be used: names file and rule, never what is in it. */
export class SecretFileError extends Error {
  readonly code = 'secret-file';
  readonly path: string;
  /** What is wrong, without the path. */
  readonly rule: string;

  constructor(path: string, rule: string) {
    super(`${path} ${rule}`);
    this.path = path;
    this.rule = rule;
  }
}

/**
 * Reads a secret. A file that others may write is refused; one that everybody may read only brings a warning, since that is how
 * container engines hand secrets to their only user. Symbolic links are followed, as those mounts use them.
 * Throws SecretFileError.
 */
export function readSecretFile(path: string, maxBytes = SECRET_MAX_BYTES): SecretFile {
  const { bytes, mode } = readBounded(path, maxBytes);
  const shown = (mode & 0o7777).toString(8).padStart(4, '0');
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new SecretFileError(path, `may be written by others (mode ${shown}). Remedy: chmod 600 ${path}`);
  }
  const warning = `${path} may be read by everybody (mode ${shown}). Remedy: chmod 600 ${path}`;
  return { text: decode(path, bytes), warning: (mode & READABLE_BY_OTHERS) === 0 ? null : warning };
}

/** As `readSecretFile`, for a secret of one line: a URL, a password. */
export function readSecretLine(path: string): SecretFile {
  const secret = readSecretFile(path);
  if (!/^[!-~]+$/.test(secret.text))
    throw new SecretFileError(path, 'must hold one line of printable ASCII characters');
  return secret;
}

function readBounded(path: string, maxBytes: number): { bytes: Buffer; mode: number } {
  const file = open(path);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new SecretFileError(path, 'is no regular file');
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < bytes.length; length += read) {
      read = readSync(file, bytes, length, bytes.length - length, null);
    }
    if (length > maxBytes) throw new SecretFileError(path, `is longer than ${maxBytes} bytes`);
    if (length === 0) throw new SecretFileError(path, 'is empty');
    return { bytes: bytes.subarray(0, length), mode: stat.mode };
  } finally {
    closeSync(file);
  }
}

/** Without waiting: a pipe without a writer would hold the start up for ever. */
function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new SecretFileError(path, `can't be read: ${code}`);
  }
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw new SecretFileError(path, 'is not UTF-8 text');
  }
}
