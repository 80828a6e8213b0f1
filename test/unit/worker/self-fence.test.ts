import { beforeEach, describe, expect, it } from 'vitest';
import { fenceMarginMs, SelfFence, tenureMs } from '../../../worker/self-fence.ts';

const LOCK_MS = 30_000;
const LIMIT_MS = LOCK_MS - fenceMarginMs(LOCK_MS);

let now: number;
let fenced: string[];
let extended: [uid: string, untilMs: number][];
let fence: SelfFence;
beforeEach(() => {
  now = 1_000;
  fenced = [];
  extended = [];
  fence = new SelfFence({
    lockMs: LOCK_MS,
    now: () => now,
    fence: (uid) => fenced.push(uid),
    extend: (uid, untilMs) => extended.push([uid, untilMs]),
  });
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

describe('tenures', () => {
  const TENURE_MS = tenureMs(LOCK_MS);

  it('end after the fence would have acted, and before the lock does', () => {
    for (const lockMs of [1_000, 2_000, 30_000, 600_000]) {
      const fencedAt = lockMs - fenceMarginMs(lockMs) + fenceMarginMs(lockMs) / 4;
      expect(tenureMs(lockMs)).toBeGreaterThan(fencedAt);
      expect(tenureMs(lockMs)).toBeLessThan(lockMs);
    }
  });

  it('last as long as the older of lock and heartbeat says', () => {
    const begun = now;
    fence.watch('a', begun);
    now += 3_000;
    fence.renewed(['a'], now);
    expect(extended).toEqual([['a', begun + TENURE_MS]]);
    fence.beat(now);
    expect(extended.at(-1)).toEqual(['a', begun + 3_000 + TENURE_MS]);
    expect(fence.tenureOf('a')).toBe(begun + 3_000 + TENURE_MS);
  });

  it('are not extended by a renewal that failed, nor without a lock', () => {
    fence.watch('a', now);
    fence.watch('b', now);
    fence.renewed(['b', 'c'], now);
    fence.lose('b');
    fence.renewed(['b'], now);
    expect(extended.map(([uid]) => uid)).toEqual(['b']);
    expect([fence.tenureOf('b'), fence.tenureOf('c')]).toEqual([0, 0]);
    expect(fence.tenureOf('a')).toBe(now + TENURE_MS);
  });
});
