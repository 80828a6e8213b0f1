import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { Admission, type Admitted, type Applicant, type Seat } from '../../../worker/admission.ts';
import { largestNeed, needOf, readHostMemory, reserveOf } from '../../../worker/memory.ts';

const GIB = 1024 ** 3;
/** A host of 30 GiB, of which 10 are there for jobs. */
const TOTAL = 30 * GIB;
const RESERVE = reserveOf(TOTAL);
const host = { available: 0, total: 0, looks: 0 };
let admission: Admission;
beforeEach(() => {
  Object.assign(host, { available: 10 * GIB + RESERVE, total: TOTAL, looks: 0 });
  admission = withLargest(8 * GIB);
});

function withLargest(largest: number): Admission {
  const readMemory = () => {
    host.looks += 1;
    return { available: host.available, total: host.total };
  };
  return new Admission({ largest, readMemory });
}

function applicant(bytes: number, more: Partial<Applicant> = {}): Applicant {
  return { isWanted: () => true, need: async () => ({ bytes, hasBegun: false }), ...more };
}

async function seat(bytes: number): Promise<Seat> {
  const admitted = await admission.enter(applicant(bytes));
  if (admitted.answer !== 'seated') throw new Error(admitted.answer);
  admitted.seat.settle(bytes);
  return admitted.seat;
}

/** What has been answered so far. */
function watch(entering: Promise<Admitted>): { answer: string | null } {
  const seen = { answer: null as string | null };
  void entering.then(({ answer }) => {
    seen.answer = answer;
  });
  return seen;
}

describe('admission by memory', () => {
  it('seats without a question whoever fits with the most that it may ask for', async () => {
    const need = () => Promise.reject(new Error('asked'));
    expect(await admission.enter(applicant(0, { need }))).toMatchObject({ answer: 'seated', seat: { bytes: 8 * GIB } });
  });

  it('sets aside what was promised, taken or not, and gives it back at the end', async () => {
    const first = await seat(6 * GIB);
    const second = watch(admission.enter(applicant(6 * GIB)));
    await sleep(50);
    expect(second.answer).toBeNull();
    first.leave();
    await sleep(50);
    expect(second.answer).toBe('seated');
  });

  it('counts what a job has taken once, not as taken and as promised', async () => {
    await seat(4 * GIB);
    host.available -= 4 * GIB;
    expect((await seat(5 * GIB)).bytes).toBe(5 * GIB);
  });

  it('sees what others on the host take, also of what was promised', async () => {
    await seat(4 * GIB);
    host.available -= 7 * GIB;
    const entering = watch(admission.enter(applicant(4 * GIB)));
    await sleep(50);
    expect(entering.answer).toBeNull();
    host.available += 5 * GIB;
    await sleep(400);
    expect(entering.answer).toBe('seated');
  });

  it('takes what a job turns out not to need for the next', async () => {
    const first = await admission.enter(applicant(1 * GIB));
    const second = watch(admission.enter(applicant(5 * GIB)));
    await sleep(50);
    expect(second.answer).toBeNull();
    if (first.answer === 'seated') first.seat.settle(1 * GIB);
    await sleep(50);
    expect(second.answer).toBe('seated');
  });

  it('lets nobody pass: small jobs can not keep a large one waiting for ever', async () => {
    const running = [await seat(4 * GIB), await seat(4 * GIB)];
    const large = watch(admission.enter(applicant(8 * GIB)));
    const small = watch(admission.enter(applicant(1 * GIB)));
    running[0]?.leave();
    await sleep(50);
    expect([large.answer, small.answer]).toEqual([null, null]);
    running[1]?.leave();
    await sleep(50);
    expect([large.answer, small.answer]).toEqual(['seated', 'seated']);
  });

  it('hands a job back when there is too little and none of ours has it, after a while and without a busy loop', async () => {
    host.available = 2 * GIB;
    const asked = performance.now();
    expect(await admission.enter(applicant(4 * GIB))).toEqual({ answer: 'hand-back' });
    expect(performance.now() - asked).toBeGreaterThan(4_900);
    expect(host.looks).toBeLessThan(100);
    expect((await seat(1 * GIB)).bytes).toBe(1 * GIB);
  }, 20_000);

  it('refuses for good what the host can never hold, unless it began somewhere', async () => {
    admission = withLargest(100 * GIB);
    const never = { answer: 'never', need: 30 * GIB, most: TOTAL - RESERVE };
    expect(await admission.enter(applicant(30 * GIB))).toEqual(never);
    const entering = watch(admission.enter(applicant(0, { need: async () => ({ bytes: 30 * GIB, hasBegun: true }) })));
    await sleep(50);
    expect(entering.answer).toBeNull();
    admission.close();
  });

  it('lets go of whoever need not wait any more: its lock is gone, or it needs nothing', async () => {
    const running = await seat(8 * GIB);
    let lock = true;
    const lost = watch(admission.enter(applicant(8 * GIB, { isWanted: () => lock })));
    let need = 8 * GIB;
    const cancelled = watch(
      admission.enter({ isWanted: () => true, need: async () => ({ bytes: need, hasBegun: true }) }),
    );
    await sleep(50);
    lock = false;
    await sleep(400);
    expect([lost.answer, cancelled.answer]).toEqual(['hand-back', null]);
    need = 0;
    await sleep(400);
    expect(cancelled.answer).toBe('seated');
    running.leave();
  });

  it('waits for Redis when that can not say what a job needs', async () => {
    await seat(8 * GIB);
    let answers = false;
    const need = async () => (answers ? { bytes: 1 * GIB, hasBegun: false } : null);
    const entering = watch(admission.enter(applicant(0, { need })));
    await sleep(50);
    expect(entering.answer).toBeNull();
    answers = true;
    await sleep(400);
    expect(entering.answer).toBe('seated');
  });

  it('sends everybody back at once when the worker stops', async () => {
    await seat(8 * GIB);
    const line = [admission.enter(applicant(8 * GIB)), admission.enter(applicant(8 * GIB))];
    await sleep(20);
    const asked = performance.now();
    admission.close();
    expect(await Promise.all(line)).toEqual([{ answer: 'hand-back' }, { answer: 'hand-back' }]);
    expect(performance.now() - asked).toBeLessThan(200);
    expect(admission.waiting).toBe(0);
  });
});

describe('what a job may take', () => {
  const settings = {
    ceilings: { limits: { memoryBytes: 8 * GIB } },
    defaults: { version: 1 as const, limits: { memoryBytes: 3 * GIB } },
    policies: { big: { version: 1 as const, limits: { memoryBytes: 5 * GIB } }, silent: { version: 1 as const } },
  };
  it.each([
    ['its own limit', { policy: { version: 1, limits: { memoryBytes: 2 * GIB } } }, 2 * GIB],
    ['that of the policy that it names', { policy: { name: 'big' } }, 5 * GIB],
    ['the worker’s default, where its policy is silent', { policy: { version: 1 } }, 3 * GIB],
    ['the same, where the named one is', { policy: { name: 'silent' } }, 3 * GIB],
    ['the same, without a policy', {}, 3 * GIB],
    [
      'nothing, above the ceiling: it will be rejected',
      { policy: { version: 1, limits: { memoryBytes: 9 * GIB } } },
      0,
    ],
  ])('is %s', (_, document, need) => {
    expect(needOf(Buffer.from(JSON.stringify(document)), settings)).toBe(need);
  });

  it('is nothing of a document that nobody can read', () => {
    expect(needOf(Buffer.from('{'), settings)).toBe(0);
    expect(needOf(Buffer.from('null'), settings)).toBe(0);
  });

  it('is never more than the ceiling, which has a default', () => {
    expect(largestNeed(settings)).toBe(8 * GIB);
    expect(largestNeed({ ceilings: {} })).toBe(4 * GIB);
  });

  it('is compared with what the kernel says is there', () => {
    const { available, total } = readHostMemory();
    expect(available).toBeGreaterThan(16 * 1024 ** 2);
    expect(total).toBeGreaterThanOrEqual(available);
  });

  it('leaves a twentieth to the host, within bounds', () => {
    expect([1, 10, 1000].map((gib) => reserveOf(gib * GIB))).toEqual([128 * 1024 ** 2, Math.floor(GIB / 2), GIB]);
  });
});
