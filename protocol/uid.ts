import { randomBytes } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const UID = /^[a-z2-7]{26}$/;

/** A new name for a job: 128 random bits as 26 characters of lower-case base32. */
export function newUid(): string {
  let rest = BigInt(`0x${randomBytes(16).toString('hex')}`) << 2n;
  let uid = '';
  for (let place = 0; place < 26; place++) {
    uid = ALPHABET.charAt(Number(rest & 31n)) + uid;
    rest >>= 5n;
  }
  return uid;
}

/** Whether a text has the form of a uid. */
export function isUid(text: string): boolean {
  return UID.test(text);
}
