// Keys of checkpoints in the text form that Go's `sumdb/note` and other tools for C2SP signed notes read: a line for each half.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { HASH_BYTES } from './hashes.ts';

/** C2SP signed-note: the byte that says Ed25519. */
const ED25519 = 1;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;
const PRIVATE = 'PRIVATE+KEY+';
// RFC 8410: what stands before the 32 bytes of an Ed25519 private key in PKCS #8.
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A text is no key; the message says what is wrong with it and never shows it. */
export class KeyFormatError extends Error {
  override readonly name = 'KeyFormatError';
}

/** Who may sign checkpoints, as a verifier knows it. */
export interface PublicKey {
  /** How notes call it: 1 to 128 of `A-Z a-z 0-9 . _ / -`; by recommendation of C2SP a URL without its scheme. */
  readonly name: string;
  /** Four bytes by which notes tell keys of one name apart. */
  readonly id: Buffer;
  verify(text: Uint8Array, signature: Uint8Array): boolean;
}

/** A key that signs. */
export interface PrivateKey {
  readonly publicKey: PublicKey;
  sign(text: Uint8Array): Buffer;
}

/** A new pair as two lines: one for a file of mode 0600, one to hand out. @throws KeyFormatError for an impossible name. */
export function makeKeyPair(name: string): { privateText: string; publicText: string } {
  if (!NAME.test(name)) throw new KeyFormatError(`a key's name must match ${NAME.source}`);
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(PKCS8.length);
  const raw = rawPublicKey(privateKey);
  const id = keyId(name, raw).toString('hex');
  const text = (half: Uint8Array): string => `${name}+${id}+${encode(half)}`;
  return { privateText: PRIVATE + text(seed), publicText: text(raw) };
}

/** @throws KeyFormatError */
export function parsePublicKey(text: string): PublicKey {
  const { name, id, bytes } = split(text.trim(), 'public');
  return publicKeyOf(name, id, bytes);
}

/** @throws KeyFormatError */
export function parsePrivateKey(text: string): PrivateKey {
  const line = text.trim();
  if (!line.startsWith(PRIVATE)) throw new KeyFormatError(`a private key begins with ${PRIVATE}`);
  const { name, id, bytes } = split(line.slice(PRIVATE.length), 'private');
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' });
  return { publicKey: publicKeyOf(name, id, rawPublicKey(key)), sign: (message) => sign(null, message, key) };
}

function publicKeyOf(name: string, id: Buffer, raw: Buffer): PublicKey {
  if (!keyId(name, raw).equals(id)) throw new KeyFormatError('the key does not belong to its name and id');
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return { name, id, verify: (message, signature) => verify(null, message, key, signature) };
}

function split(line: string, half: string): { name: string; id: Buffer; bytes: Buffer } {
  const [, name = '', id = '', key = ''] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  const bytes = Buffer.from(key, 'base64');
  const isKey = NAME.test(name) && bytes.length === 1 + HASH_BYTES && bytes[0] === ED25519;
  if (!isKey || bytes.toString('base64') !== key) {
    throw new KeyFormatError(`no ${half} Ed25519 key of the form NAME+ID+KEY (bullpen audit keygen makes one)`);
  }
  return { name, id: Buffer.from(id, 'hex'), bytes: bytes.subarray(1) };
}

function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
}

function encode(half: Uint8Array): string {
  return Buffer.concat([Uint8Array.of(ED25519), half]).toString('base64');
}

/** C2SP signed-note: the first four bytes of SHA-256 over name, newline, type and key. */
function keyId(name: string, raw: Uint8Array): Buffer {
  return createHash('sha256').update(`${name}\n`).update(Uint8Array.of(ED25519)).update(raw).digest().subarray(0, 4);
}
