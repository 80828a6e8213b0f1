import { afterEach, beforeEach, expect, it } from 'vitest';
import { LoopWatch, STALL_MS, TOLD_MS } from '../../../../worker/signals/loop-watch.ts';

let now: number;
let watch: LoopWatch;
beforeEach(() => {
  now = 0;
  watch = new LoopWatch(
    () => undefined,
    () => now,
  );
});
afterEach(() => watch.close());

it('says nothing of a loop that is late by less than the limit', () => {
  now += STALL_MS;
  expect(watch.fault()).toBeNull();
});

it('tells a stall from the first question after it, for a while, and then no more', () => {
  now += STALL_MS + 1_000;
  expect(watch.fault()).toBe('the event loop stood still for 5.8 s');
  for (let second = 0; second < TOLD_MS / 1000; second++) {
    now += 1_000;
    expect(watch.fault()).toBe('the event loop stood still for 5.8 s');
  }
  now += 1_000;
  expect(watch.fault()).toBeNull();
});

it('tells the longest of several', () => {
  for (const ms of [6_000, 8_000, 7_000]) {
    now += ms;
    watch.tick();
  }
  expect(watch.fault()).toBe('the event loop stood still for 7.8 s');
});
