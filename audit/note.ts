// Signed notes as C2SP defines them (c2sp.org/signed-note): a text, an empty line, a line for each signature.

import type { PrivateKey, PublicKey } from './keys.ts';

/** Longer notes are refused: signatures of other keys may follow ours, but not without end. */
export const NOTE_MAX_BYTES = 64 * 1024;

const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** The signed text with its final newline, or why nobody should read it. */
export type OpenedNote = { text: string } | { refused: string };

/** The note that says a text, signed by a key. The text ends with a newline. */
export function signNote(text: string, key: PrivateKey): Buffer {
  const { name, id } = key.publicKey;
  const signature = Buffer.concat([id, key.sign(Buffer.from(text))]).toString('base64');
  return Buffer.from(`${text}\n— ${name} ${signature}\n`);
}

/** The text of a note, if this key signed it. Signatures of other keys are passed over. */
export function openNote(note: Uint8Array, key: PublicKey): OpenedNote {
  if (note.length > NOTE_MAX_BYTES) return { refused: `it is longer than ${NOTE_MAX_BYTES} bytes` };
  const whole = decode(note);
  const end = whole?.lastIndexOf('\n\n') ?? -1;
  if (whole === null || CONTROL.test(whole) || end < 0 || !whole.endsWith('\n'))
    return { refused: 'it is no signed note' };
  const text = whole.slice(0, end + 1);
  const signatures = whole
    .slice(end + 2, -1)
    .split('\n')
    .map(readSignature);
  if (signatures.includes(null)) return { refused: 'it is no signed note' };
  const ours = signatures.filter((one) => one !== null && one.name === key.name && one.id.equals(key.id));
  if (ours.length === 0) return { refused: `it is not signed by the key ${key.name}+${key.id.toString('hex')}` };
  const holds = ours.every((one) => one !== null && key.verify(Buffer.from(text), one.signature));
  return holds ? { text } : { refused: 'its signature does not hold' };
}

function readSignature(line: string): { name: string; id: Buffer; signature: Buffer } | null {
  const [, name, base64] = SIGNATURE_LINE.exec(line) ?? [];
  if (name === undefined || base64 === undefined) return null;
  const bytes = Buffer.from(base64, 'base64');
  // Node reads base64 in more spellings than one.
  if (bytes.length <= 4 || bytes.toString('base64') !== base64) return null;
  return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
