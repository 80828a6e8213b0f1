import { expect, it } from 'vitest';
import { bullPrefix, isUid, keysOf, newUid } from '../../../protocol/index.ts';

it('a uid is 26 characters of base32, and never the same twice', () => {
  const uids = Array.from({ length: 1000 }, newUid);
  expect(uids.every(isUid)).toBe(true);
  expect(new Set(uids).size).toBe(1000);
  expect(['', 'A'.repeat(26), 'a'.repeat(25), `${'a'.repeat(25)}1`].some(isUid)).toBe(false);
});

it('128 bits are in a uid: each of its characters varies', () => {
  const uids = Array.from({ length: 2000 }, newUid);
  for (let place = 0; place < 26; place++) {
    const seen = new Set(uids.map((uid) => uid.charAt(place)));
    // The last character has three bits of the 128, the rest five.
    expect(seen.size).toBe(place === 25 ? 8 : 32);
  }
});

it('every key and channel of a queue begins with its hash tag', () => {
  const keys = keysOf('default');
  const values = Object.values(keys).map((key) =>
    typeof key === 'function' ? key('a' as never, 'b' as never, 0 as never) : key,
  );
  expect(values.length).toBeGreaterThan(20);
  for (const value of values) expect(value.startsWith('bp:{default:0}:')).toBe(true);
  expect(bullPrefix('default')).toBe('bp:{default:0}:bull');
});

it('refuses a queue name that would leave its tag', () => {
  for (const name of ['', 'a}b', 'a{b', 'a:b', 'a b', '-a', 'a'.repeat(65)])
    expect(() => keysOf(name)).toThrow(RangeError);
});
