import { beforeEach, expect, it } from 'vitest';
import { Progress, ROUND_MS } from '../../../../worker/signals/progress.ts';

const LOCK_MS = 30_000;

let now: number;
let progress: Progress;
beforeEach(() => {
  now = 1_000;
  progress = new Progress({ slots: 2, lockMs: LOCK_MS, now: () => now });
});

it('is well while fetches come round, however long nothing is delivered', () => {
  for (let round = 0; round < 100; round++) {
    now += ROUND_MS;
    expect(progress.fault()).toBeNull();
    progress.fetched();
  }
});

it('is not well when a fetch does not come round in time, and is again when one does', () => {
  now += ROUND_MS + 1;
  expect(progress.fault()).toBe('the fetch has not come round for 15.0 s (limit: 15.0 s)');
  progress.fetched();
  expect(progress.fault()).toBeNull();
});

it('is not made well by renewals while a slot is free', () => {
  progress.took();
  now += ROUND_MS + 1;
  progress.renewed();
  expect(progress.fault()).toMatch(/^the fetch has not come round/);
});

it('fetches nothing with every slot taken, and is well as long as locks are renewed', () => {
  progress.took();
  progress.took();
  for (let renewal = 0; renewal < 10; renewal++) {
    now += LOCK_MS;
    expect(progress.fault()).toBeNull();
    progress.renewed();
  }
  now += LOCK_MS + 1;
  expect(progress.fault()).toMatch(/^no lock was renewed for 30.0 s/);
});

it('gives a fetch its time from when a slot becomes free', () => {
  progress.took();
  progress.took();
  now += LOCK_MS - 1;
  progress.settled();
  now += ROUND_MS;
  expect(progress.fault()).toBeNull();
  now += 1;
  expect(progress.fault()).toMatch(/^the fetch has not come round/);
});

it('owes nothing once it was stopped', () => {
  progress.stop();
  now += 10 * LOCK_MS;
  expect(progress.fault()).toBeNull();
});
