// What a guest wrote can steer a terminal or disguise itself. On a terminal it is shown; into a file or pipe it goes byte for byte.

import type { Writable } from 'node:stream';

export interface Output extends Writable {
  isTTY?: boolean;
}

// Control characters but newline and tab, C1, line and paragraph separators, bidirectional controls, invisible joiners, unpaired surrogates.
const STEERING =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

/** The text with everything that steers a terminal written as `\uXXXX`: inside a JSON string that is the same string. */
export function escapeForTerminal(text: string): string {
  return text.replace(STEERING, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Writes text of any origin: escaped on a terminal, as it is elsewhere. */
export function writeText(output: Output, text: string): void {
  output.write(output.isTTY ? escapeForTerminal(text) : text);
}

/** Writes a guest's bytes: decoded and escaped on a terminal, exactly as they are elsewhere. */
export function writeBytes(output: Output, bytes: Uint8Array): void {
  if (output.isTTY) writeText(output, new TextDecoder().decode(bytes));
  else output.write(bytes);
}

/** Writes a value as one line of JSON. */
export function writeJson(output: Output, value: unknown): void {
  writeText(output, `${JSON.stringify(value)}\n`);
}
