import { beforeEach, describe, expect, it } from 'vitest';
import { fenceMarginMs, SelfFence } from '../../../worker/self-fence.ts';

const LOCK_MS = 30_000;
const LIMIT_MS = LOCK_MS - fenceMarginMs(LOCK_MS);

let now: number;
let fenced: string[];
let fence: SelfFence;
beforeEach(() => {
  now = 1_000;
  fenced = [];
  fence = new SelfFence({ lockMs: LOCK_MS, now: () => now, fence: (uid) => fenced.push(uid) });
});

/** Lets time pass with heartbeats, so that only locks grow old. */
function pass(ms: number): void {
  now += ms;
  fence.beat(now);
  fence.check();
}

describe('the self-fence', () => {
  it('leaves an execution alone whose lock is renewed', () => {
    fence.watch('a', now);
    for (let i = 0; i < 10; i++) {
      pass(LIMIT_MS - 1);
      fence.renewed(['a'], now);
    }
    expect(fenced).toEqual([]);
  });

  it('ends an execution before its lock runs out, once', () => {
    fence.watch('a', now);
    pass(LIMIT_MS - 1);
    expect(fenced).toEqual([]);
    pass(1);
    expect(fenced).toEqual(['a']);
    expect(LIMIT_MS).toBeLessThan(LOCK_MS);
    pass(LIMIT_MS);
    expect(fenced).toEqual(['a']);
  });

  it('ends only the one whose renewal failed', () => {
    fence.watch('a', now);
    fence.watch('b', now);
    pass(LIMIT_MS / 2);
    fence.renewed(['b'], now);
    pass(LIMIT_MS / 2);
    expect(fenced).toEqual(['a']);
  });

  it('counts a renewal from when it was sent, not from when its answer came', () => {
    fence.watch('a', now);
    const sentAt = now + 1_000;
    now += 20_000;
    fence.renewed(['a'], sentAt);
    pass(LIMIT_MS - 19_000);
    expect(fenced).toEqual(['a']);
  });

  it('counts a lock from when it was asked for', () => {
    fence.watch('a', now - LIMIT_MS);
    pass(0);
    expect(fenced).toEqual(['a']);
  });

  it('holds a lock while it is young, and no other', () => {
    fence.watch('a', now);
    expect([fence.holds('a'), fence.holds('b')]).toEqual([true, false]);
    now += LIMIT_MS;
    expect(fence.holds('a')).toBe(false);
  });

  it('ends an execution at once whose lock is known to be gone', () => {
    fence.watch('a', now);
    fence.lose('a');
    fence.lose('a');
    expect(fenced).toEqual(['a']);
    expect(fence.holds('a')).toBe(false);
  });

  it('ends everything when the heartbeat is not answered any more', () => {
    now += LIMIT_MS - 1;
    fence.watch('a', now);
    fence.check();
    expect(fenced).toEqual([]);
    now += 1;
    fence.check();
    expect(fenced).toEqual(['a']);
  });

  it('forgets an execution that has ended', () => {
    fence.watch('a', now);
    fence.unwatch('a');
    fence.renewed(['a'], now);
    pass(LIMIT_MS);
    expect(fenced).toEqual([]);
  });

  it('keeps a margin that is a fifth of the lock, 0.2 to 5 seconds', () => {
    expect([500, 2_000, 10_000, 30_000, 600_000].map(fenceMarginMs)).toEqual([200, 400, 2_000, 5_000, 5_000]);
  });
});
