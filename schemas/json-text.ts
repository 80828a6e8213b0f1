/**
 * The strict reading of JSON text, before any schema. What two parsers could understand differently is refused.
 *
 * | rule            | path      | refused                                                                                     |
 * |-----------------|-----------|---------------------------------------------------------------------------------------------|
 * | `size`          | empty     | more bytes than the door allows                                                             |
 * | `encoding`      | empty     | bytes that aren't UTF-8; a byte order mark; an escape of an unpaired surrogate              |
 * | `json`          | empty     | not exactly one JSON value                                                                  |
 * | `depth`         | empty     | a value inside more than 32 objects and arrays (`[]` is depth 1, a bare scalar 0)           |
 * | `duplicate-key` | the key   | a key that its object has already, escapes undone                                           |
 * | `forbidden-key` | the key   | `__proto__`, `constructor`, `prototype`                                                     |
 * | `number`        | the value | a fraction, an exponent, `-0`, or beyond ±(2^53 − 1)                                        |
 *
 * Size, then encoding of the whole, then the others: the first in the order of the text is reported.
 * There is no recursion: nesting costs memory for at most 32 levels.
 */
import { fieldOf, type Issue, issue, itemOf } from './issue.ts';

/** Deepest nesting of objects and arrays. */
export const MAX_DEPTH = 32;

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const WORD = /true|false|null/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?<fraction>\.[0-9]+)?(?<exponent>[eE][+-]?[0-9]+)?/y;
const UNPAIRED = /\p{Surrogate}/u;
const WHITESPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u(?<unit>[0-9a-fA-F]{4}))/y;

/** An object or array that is open at the moment; `keys` is null for an array. */
type Open = { keys: Set<string> | null; key: string; index: number };

/** Ends a scan; never leaves this file. */
class Refusal extends Error {
  readonly issue: Issue;
  constructor(found: Issue) {
    super(found.message);
    this.issue = found;
  }
}

/** Reads a document's text from its bytes: size, UTF-8, no byte order mark. Returns the text or the issue. */
export function readText(document: Uint8Array | string, maxBytes: number): string | Issue {
  const bytes = typeof document === 'string' ? Buffer.byteLength(document) : document.byteLength;
  if (bytes > maxBytes) return issue('', 'size', `must be at most ${maxBytes} bytes long`);
  const text = typeof document === 'string' ? document : decode(document);
  if (text === null || UNPAIRED.test(text)) return issue('', 'encoding', 'must be UTF-8 text');
  if (text.startsWith('\uFEFF')) return issue('', 'encoding', 'must not begin with a byte order mark');
  return text;
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Parses JSON text strictly. Returns the value, or the first issue in the order of the text. */
export function parseText(text: string): { value: unknown } | { issue: Issue } {
  try {
    new Scan(text).document();
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof Refusal) return { issue: error.issue };
    if (error instanceof SyntaxError) return { issue: issue('', 'json', 'must be JSON') };
    throw error;
  }
}

/** One pass over a text; each method consumes what it is called after, or refuses. */
class Scan {
  readonly #text: string;
  readonly #open: Open[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value();
    for (let open = this.#open.at(-1); open !== undefined; open = this.#open.at(-1)) this.#next(open);
    this.#skipWhitespace();
    if (this.#at < this.#text.length) this.#refuseSyntax();
  }

  /** After a value inside `open`, or right after its bracket: another member and its value, or the end. */
  #next(open: Open): void {
    const first = open.index < 0;
    this.#skipWhitespace();
    if (this.#take(open.keys ? '}' : ']')) {
      this.#open.pop();
      return;
    }
    if (!first && !this.#take(',')) this.#refuseSyntax();
    open.index += 1;
    if (open.keys) this.#key(open, open.keys);
    this.#value();
  }

  #key(open: Open, keys: Set<string>): void {
    this.#skipWhitespace();
    const start = this.#at;
    const escaped = this.#string();
    const literal = this.#text.slice(start, this.#at);
    open.key = escaped ? String(JSON.parse(literal)) : literal.slice(1, -1);
    if (FORBIDDEN_KEYS.has(open.key)) this.#refuse('forbidden-key', 'is a key that is never allowed');
    if (keys.has(open.key)) this.#refuse('duplicate-key', 'must not appear twice');
    keys.add(open.key);
    this.#skipWhitespace();
    if (!this.#take(':')) this.#refuseSyntax();
  }

  /** A scalar whole, or the opening bracket of an object or array. */
  #value(): void {
    this.#skipWhitespace();
    const character = this.#text[this.#at];
    if (character === '{' || character === '[') this.#openContainer(character);
    else if (character === '"') this.#string();
    else this.#wordOrNumber();
  }

  #openContainer(bracket: '{' | '['): void {
    if (this.#open.length >= MAX_DEPTH) {
      throw new Refusal(issue('', 'depth', `must not nest objects and arrays deeper than ${MAX_DEPTH}`));
    }
    this.#at += 1;
    this.#open.push({ keys: bracket === '{' ? new Set() : null, key: '', index: -1 });
  }

  #wordOrNumber(): void {
    WORD.lastIndex = this.#at;
    if (WORD.test(this.#text)) this.#at = WORD.lastIndex;
    else this.#number();
  }

  #number(): void {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text) ?? this.#refuseSyntax();
    const [literal] = found;
    const whole = found.groups?.fraction === undefined && found.groups?.exponent === undefined;
    if (!whole || literal === '-0' || !Number.isSafeInteger(Number(literal))) {
      this.#refuse('number', 'must be an integer within ±9007199254740991, written without fraction, exponent or -0');
    }
    this.#at += literal.length;
  }

  /** A string, quotes included. Returns whether it has escapes. */
  #string(): boolean {
    if (!this.#take('"')) this.#refuseSyntax();
    let escaped = false;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) break;
      if (code === 0x5c) {
        this.#escape();
        escaped = true;
      } else if (code >= 0x20) this.#at += 1;
      else this.#refuseSyntax();
    }
    this.#at += 1;
    return escaped;
  }

  #escape(): void {
    const unit = this.#escapedUnit();
    if (unit < 0xd800 || unit > 0xdfff) return;
    const low = unit < 0xdc00 && this.#text.startsWith('\\u', this.#at) ? this.#escapedUnit() : 0;
    if (low < 0xdc00 || low > 0xdfff) {
      throw new Refusal(issue('', 'encoding', 'must not have an unpaired surrogate in an escape'));
    }
  }

  /** One escape; returns its code unit, 0 for the short ones. */
  #escapedUnit(): number {
    ESCAPE.lastIndex = this.#at;
    const found = ESCAPE.exec(this.#text) ?? this.#refuseSyntax();
    this.#at += found[0].length;
    return Number.parseInt(found.groups?.unit ?? '0', 16);
  }

  #skipWhitespace(): void {
    WHITESPACE.lastIndex = this.#at;
    WHITESPACE.test(this.#text);
    this.#at = WHITESPACE.lastIndex;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  /** Where the scan is, as a path. */
  #path(): string {
    return this.#open.reduce((path, { keys, key, index }) => (keys ? fieldOf(path, key) : itemOf(path, index)), '');
  }

  #refuse(rule: string, allowed: string): never {
    throw new Refusal(issue(this.#path(), rule, allowed));
  }

  #refuseSyntax(): never {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    const what = this.#at < this.#text.length ? 'something unexpected stands' : 'the text ends';
    throw new Refusal(issue('', 'json', `must be exactly one JSON value: ${what} at line ${line}, column ${column}`));
  }
}
