import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { type Output, writeBytes } from '../../producer/cli/terminal.ts';
import { HostilePen, MIB } from './harness.ts';

const pen = await HostilePen.ofFile();

it('G03 output is kept byte by byte, and shown on a terminal without its powers', async () => {
  const { stdout } = await pen.attack('g03-odd-bytes.py');
  const bytes = Buffer.from(stdout?.base64 ?? '', 'base64');
  for (const part of ['\u001b]0;x\u0007', '\u001b]52;c;eA==\u0007', '\u202e\u200b\ufeff', '\u0000', '\r\n']) {
    expect(bytes.includes(part), JSON.stringify(part)).toBe(true);
  }
  const [pipe, terminal]: Output[] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true })];
  for (const output of [pipe, terminal]) writeBytes(output as Output, bytes);
  expect((pipe as PassThrough).read()).toEqual(bytes);
  // What is left for a terminal: text, and the line's end.
  expect(String((terminal as PassThrough).read())).toMatch(/^[\x20-\x7e\ufffd\n]*$/);
});

it('G09 output whose text form is six times its size does not overwhelm', async () => {
  const { stdout } = await pen.attack('g09-control-characters.py', { limits: { outputBytes: 4 * MIB } });
  expect(stdout?.totalBytes).toBe(3 * MIB);
  expect(JSON.stringify(stdout).length).toBeLessThan(2 * 3 * MIB);
  // The control: as JSON text the same bytes are what they are feared to be.
  expect(JSON.stringify('\u0001'.repeat(3 * MIB)).length).toBeGreaterThan(6 * 3 * MIB);
});
