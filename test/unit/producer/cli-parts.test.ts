import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseDuration } from '../../../producer/cli/duration.ts';
import { exitCodeOfOutcome } from '../../../producer/cli/exit-code.ts';
import { type Line, readLines } from '../../../producer/cli/lines.ts';
import { SafeDirectory } from '../../../producer/cli/safe-directory.ts';
import { escapeForTerminal, type Output, writeBytes } from '../../../producer/cli/terminal.ts';
import { UsageError } from '../../../producer/cli/usage-error.ts';
import { OUTCOME_KINDS } from '../../../schemas/types.ts';

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration('--timeout', text)).toBe(ms);
  });

  test.each(['', '30', 's', '-1s', '1.5s', '1d', '9999999999h'])('%j is refused', (text) => {
    expect(() => parseDuration('--timeout', text)).toThrow(UsageError);
  });
});

describe('lines', () => {
  async function lines(chunks: string[], maxBytes = 100): Promise<(string | 'too long')[]> {
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (const chunk of chunks) yield Buffer.from(chunk);
    }
    const all: Line[] = [];
    for await (const line of readLines(stream(), maxBytes)) all.push(line);
    return all.map((line) => ('bytes' in line ? Buffer.from(line.bytes).toString() : 'too long'));
  }

  test('are split wherever the chunks end', async () => {
    expect(await lines(['a\nb', 'c\n', '\n  \n\r\nd'])).toEqual(['a', 'bc', 'd']);
  });

  test('that are too long are told, and the next one is read', async () => {
    expect(await lines(['12345', '6789\nok\n'], 8)).toEqual(['too long', 'ok']);
    expect(await lines(['12345678\n'], 8)).toEqual(['12345678']);
  });
});

describe('terminal', () => {
  const evil = '\u001b]0;owned\u0007 \u009b31m \u202etxt.exe \u2066 \r\u0000\u007f \ud800';

  test('steering characters are shown, ordinary text stays', () => {
    expect(escapeForTerminal('größe\n\t42 日本 😀')).toBe('größe\n\t42 日本 😀');
    expect(escapeForTerminal(evil)).toMatch(/^[\x20-\x7e]*$/);
    expect(escapeForTerminal('\u001b[31m\u202e')).toBe('\\u001b[31m\\u202e');
  });

  test('escaped JSON is the same JSON', () => {
    expect(JSON.parse(escapeForTerminal(JSON.stringify({ evil })))).toEqual({ evil });
  });

  test('a pipe gets the bytes as they are, a terminal does not', () => {
    const bytes = Buffer.from([0x1b, 0x5b, 0x41, 0xff, 0x00]);
    const [pipe, terminal]: Output[] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true })];
    for (const output of [pipe, terminal]) writeBytes(output as Output, bytes);
    expect((pipe as PassThrough).read()).toEqual(bytes);
    expect((terminal as PassThrough).read().toString()).toBe('\\u001b[A\ufffd\\u0000');
  });
});

describe('a directory for untrusted names', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bullpen-artifacts-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('takes new files in new directories', async () => {
    const out = await SafeDirectory.open(join(dir, 'new/out'));
    expect(await out.write('a/b/c.txt', Buffer.from('x'))).toBeNull();
    expect(await out.write('a/d.txt', Buffer.from('y'))).toBeNull();
    expect(await readFile(join(dir, 'new/out/a/b/c.txt'), 'utf8')).toBe('x');
  });

  test.each([
    '',
    '/etc/x',
    '../x',
    'a/../../x',
    'a//b',
    './a',
    'a/',
    'a\u0000b',
    'a\nb',
    'a\\b',
    'x'.repeat(256),
    `${'d/'.repeat(64)}f`,
  ])('refuses the name %j', async (name) => {
    const out = await SafeDirectory.open(join(dir, 'out'));
    expect(await out.write(name, Buffer.from('x'))).toBe('bad-name');
  });

  test('follows no link and overwrites nothing', async () => {
    const out = await SafeDirectory.open(dir);
    await mkdir(join(dir, 'elsewhere'));
    await symlink('elsewhere', join(dir, 'link'));
    await symlink('elsewhere/new', join(dir, 'dangling'));
    await writeFile(join(dir, 'mine'), 'mine');
    expect(await out.write('link/x', Buffer.from('x'))).toBe('in-the-way');
    expect(await out.write('mine/x', Buffer.from('x'))).toBe('in-the-way');
    expect(await out.write('dangling', Buffer.from('x'))).toBe('exists');
    expect(await out.write('mine', Buffer.from('x'))).toBe('exists');
    expect(await readFile(join(dir, 'mine'), 'utf8')).toBe('mine');
  });
});

test('exit codes: what the guest did is 0, ours is not', () => {
  const codes = OUTCOME_KINDS.map(exitCodeOfOutcome);
  expect(codes).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 4, 4, 4, 4]);
});
