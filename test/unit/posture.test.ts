import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { comparePostures, type Posture } from '../hostile/posture.ts';

const GOLDEN = JSON.parse(readFileSync(new URL('../hostile/posture.golden.json', import.meta.url), 'utf8')) as {
  init: Posture;
  payload: Posture;
};

for (const [who, posture] of Object.entries({ init: GOLDEN.init, payload: GOLDEN.payload })) {
  it(`a posture of the ${who} that differs in any one field is noticed`, () => {
    expect(comparePostures(posture, structuredClone(posture))).toEqual([]);
    for (const [key, value] of Object.entries(posture)) {
      const other = Array.isArray(value) ? [...value, 'more'] : `${value}1`;
      expect(comparePostures(posture, { ...posture, [key]: other }).join(), key).toContain(`${key}: has `);
      const { [key]: _, ...without } = posture;
      const empty = value.length === 0 && Array.isArray(value);
      expect(comparePostures(posture, without).length > 0, key).toBe(!empty);
    }
    expect(comparePostures(posture, { ...posture, another: 'x' })).toEqual(['another: has x']);
  });
}

it('more than is expected is a difference, and so is the same twice', () => {
  const { payload } = GOLDEN;
  const mounts = payload['mounts'] as string[];
  const writable = mounts.map((line) => line.replace('/usr ro', '/usr rw'));
  expect(comparePostures(payload, { ...payload, mounts: writable })).toEqual([
    'mounts: lacks /usr ro,nosuid,nodev HOST SAME',
    'mounts: has /usr rw,nosuid,nodev HOST SAME',
  ]);
  expect(comparePostures(payload, { ...payload, mounts: [...mounts, mounts[1] ?? ''] })).toHaveLength(1);
  expect(comparePostures(payload, { ...payload, CapBnd: '0000000000000001' })).toHaveLength(2);
  const limits = (payload['limits'] as string[]).map((line) => line.replace('256 256', '256 512'));
  expect(comparePostures(payload, { ...payload, limits })).toHaveLength(2);
});

it('each task of a payload is confined, by what is checked in', () => {
  const { payload } = GOLDEN;
  expect(payload).toMatchObject({
    Groups: '',
    NoNewPrivs: '1',
    Seccomp: '2',
    Seccomp_filters: '1',
    Uid: 'SLOT SLOT SLOT SLOT',
  });
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(payload[set]).toBe('0'.repeat(16));
});
