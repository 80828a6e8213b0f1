// The key and the note of PeterNeumann are the example of Go's package golang.org/x/mod/sumdb/note: made by other code than ours.

import { expect, it } from 'vitest';
import { KeyFormatError, makeKeyPair, parsePrivateKey, parsePublicKey } from '../../../audit/keys.ts';
import { openNote, signNote } from '../../../audit/note.ts';

const PRIVATE = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const PUBLIC = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE = 'x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=';
const NOTE = `${TEXT}\n— PeterNeumann ${SIGNATURE}\n`;

it('opens a note of another program, and signs the same text to the same bytes', () => {
  expect(openNote(Buffer.from(NOTE), parsePublicKey(PUBLIC))).toEqual({ text: TEXT });
  expect(signNote(TEXT, parsePrivateKey(PRIVATE)).toString()).toBe(NOTE);
});

it('opens a note that others have signed too, and a text with an empty line', () => {
  const key = parsePrivateKey(PRIVATE);
  const witness = parsePrivateKey(makeKeyPair('witness.example/w').privateText);
  const other = signNote(TEXT, witness).toString().split('\n').at(-2);
  expect(openNote(Buffer.from(`${NOTE}${other}\n`), key.publicKey)).toEqual({ text: TEXT });
  const gap = signNote('one\n\ntwo\n', key);
  expect(openNote(gap, key.publicKey)).toEqual({ text: 'one\n\ntwo\n' });
});

it('refuses what is changed, unsigned, signed by another, or no note', () => {
  const key = parsePublicKey(PUBLIC);
  const namesake = parsePrivateKey(makeKeyPair('PeterNeumann').privateText);
  const refused: [RegExp, Buffer | string][] = [
    [/does not hold/, NOTE.replace('think', 'thunk')],
    [/does not hold/, NOTE.replace('x08go/ZJ', 'x08go/ZK')],
    [/not signed by/, signNote(TEXT, namesake)],
    [/no signed note/, TEXT],
    [/no signed note/, `${TEXT}\n`],
    [/no signed note/, NOTE.replace('— ', '- ')],
    [/no signed note/, NOTE.slice(0, -1)],
    [/no signed note/, NOTE.replace('BwJnAM=', 'BwJnAN=')],
    [/no signed note/, NOTE.replace('think', 'think\r')],
    [/no signed note/, Buffer.concat([Buffer.from(NOTE), Uint8Array.of(0xff)])],
    [/longer than/, Buffer.concat([Buffer.alloc(70_000, 'x'), Buffer.from(NOTE)])],
  ];
  for (const [reason, note] of refused) {
    const opened = openNote(Buffer.from(note), key);
    expect('refused' in opened ? opened.refused : 'opened').toMatch(reason);
  }
});

it('makes keys that sign for each other only', () => {
  const pair = makeKeyPair('audit.example/pens');
  const key = parsePrivateKey(`${pair.privateText}\n`);
  const note = signNote(TEXT, key);
  expect(openNote(note, parsePublicKey(`${pair.publicText}\n`))).toEqual({ text: TEXT });
  const other = makeKeyPair('audit.example/pens');
  expect(openNote(note, parsePublicKey(other.publicText))).toHaveProperty('refused');
});

it('refuses texts that are no keys, without repeating them', () => {
  const bad = [
    '',
    'x',
    PRIVATE,
    `PeterNeumann+c74f20a4${PUBLIC.slice(21)}`,
    `${PUBLIC}x`,
    PUBLIC.replace('+AR', '+BR'),
  ];
  for (const text of bad) expect(() => parsePublicKey(text)).toThrow(KeyFormatError);
  expect(() => parsePrivateKey(PUBLIC)).toThrow(KeyFormatError);
  expect(() => parsePrivateKey(PRIVATE.replace('c74f20a3', 'c74f20a4'))).toThrow(/does not belong/);
  expect(() => makeKeyPair('with space')).toThrow(KeyFormatError);
  expect(() => parsePrivateKey(PRIVATE.slice(0, -3))).toThrow(expect.not.stringContaining('AYEKFALV'));
});
