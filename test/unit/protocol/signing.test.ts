import { expect, it } from 'vitest';
import { isSignedBy, parseSigningKeys, type SignedJob, signJob } from '../../../protocol/signing.ts';

const KEY = 'k'.repeat(32);
const OTHER = 'o'.repeat(32);
const job: SignedJob = { queue: 'q', tenant: 'acme', uid: 'a'.repeat(26), document: Buffer.from('{"id":"1"}') };

it('what was signed is known again', () => {
  expect(isSignedBy([KEY], job, signJob(KEY, job))).toBe(true);
});

it('is what RFC 2104 makes of the names and the bytes', () => {
  // printf 'bullpen-job-v1\0q\0acme\0aaaaaaaaaaaaaaaaaaaaaaaaaa\0{"id":"1"}' | openssl dgst -sha256 -hmac kkkk…
  expect(signJob(KEY, job)).toBe('add83108946db90cb44c8cbe4c63ff3538179e5e74b153772a95fad71a57733f');
});

it.each<[string, Partial<SignedJob>]>([
  ['another byte', { document: Buffer.from('{"id":"2"}') }],
  ['another tenant', { tenant: 'evil' }],
  ['another queue', { queue: 'r' }],
  ['another job', { uid: 'b'.repeat(26) }],
  ['a name that takes a part of the next', { queue: 'q\0acme', tenant: 'x' }],
])('%s is another signature', (_what, change) => {
  expect(isSignedBy([KEY], { ...job, ...change }, signJob(KEY, job))).toBe(false);
});

it.each(['', 'x', signJob(OTHER, job), signJob(KEY, job).toUpperCase(), `${signJob(KEY, job)}0`])(
  'is not %j',
  (signature) => {
    expect(isSignedBy([KEY], job, signature)).toBe(false);
  },
);

it('any of the keys verifies, so that keys can be changed without a pause', () => {
  expect(isSignedBy([OTHER, KEY], job, signJob(KEY, job))).toBe(true);
  expect(isSignedBy([OTHER], job, signJob(KEY, job))).toBe(false);
});

it('keys come one a line', () => {
  expect(parseSigningKeys(KEY)).toEqual([KEY]);
  expect(parseSigningKeys(`${KEY}\r\n${OTHER}`)).toEqual([KEY, OTHER]);
});

it.each([
  ['too short', 'k'.repeat(31)],
  ['too long', 'k'.repeat(257)],
  ['with a space', `${KEY} ${KEY}`],
  ['an empty line', `${KEY}\n\n${OTHER}`],
  ['too many', Array(5).fill(KEY).join('\n')],
  ['none', ''],
])('a text with keys that are %s holds none', (_what, text) => {
  expect(parseSigningKeys(text)).toBeNull();
});
