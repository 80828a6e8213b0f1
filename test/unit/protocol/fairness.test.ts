import { expect, it } from 'vitest';
import { ALL_TENANTS, newUid } from '../../../protocol/index.ts';
import { type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();

/** Queues of jobs by tenant, worked off one after the other; notes in which order jobs are released. */
class Line {
  readonly queue: TestQueue;
  /** `TENANT NUMBER` of each job released, in order. */
  readonly order: string[] = [];
  readonly #names = new Map<string, string>();
  readonly #line: string[] = [];
  #workers = 0;

  constructor(queue: TestQueue) {
    this.queue = queue;
  }

  async submit(tenant: string, count: number, { priority = 5, label = '' } = {}): Promise<void> {
    for (let done = 0; done < count; done += 500) {
      const numbers = Array.from({ length: Math.min(500, count - done) }, (_, n) => done + n + 1);
      await Promise.all(numbers.map((n) => this.#submitOne(tenant, label === '' ? `${n}` : `${label}-${n}`, priority)));
    }
  }

  /** A worker joins; those before it are gone. */
  async join(slots: number): Promise<void> {
    const name = { instance: 'w-1', bootId: newUid() };
    this.#workers += 1;
    this.#take(await this.queue.register({ ...name, instance: `w-${this.#workers}`, slots }));
  }

  async leave(): Promise<void> {
    await bench.redis.del(this.queue.keys.workers, this.queue.keys.slots, this.queue.keys.worker(`w-${this.#workers}`));
  }

  /** Ends the next `count` jobs; fewer when there are no more. */
  async work(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const uid = this.#line.shift();
      if (uid === undefined) return;
      await this.queue.run(uid);
      const answer = await this.queue.commit(uid);
      if (answer.answer === 'ok') this.#take(answer.releases);
    }
  }

  async sweep(): Promise<void> {
    this.#take((await this.queue.protocol.sweep()).releases);
  }

  /** How many of a tenant are among the jobs released from `from` on. */
  count(tenant: string, from = 0): number {
    return this.order.slice(from).filter((name) => name.startsWith(`${tenant} `)).length;
  }

  async #submitOne(tenant: string, n: string, priority: number): Promise<void> {
    const { uid, releases } = await this.queue.accept(`p${priority}-${n}`, { tenant, priority });
    this.#names.set(uid, `${tenant} ${n}`);
    this.#take(releases);
  }

  #take(uids: string[]): void {
    this.order.push(...uids.map((uid) => this.#names.get(uid) ?? uid));
    this.#line.push(...uids);
  }
}

it('behind 10,000 jobs of one tenant, another’s twenty wait for less than 5 % of the jobs that FIFO would let go first', async () => {
  const line = new Line(bench.queue());
  await line.submit('big', 10_000);
  await line.join(4);
  await line.work(100);
  const [before, ahead] = [line.order.length, await bench.redis.zcard(line.queue.keys.pending('big'))];
  await line.submit('small', 20);
  await line.work(200);
  const places = Array.from({ length: 20 }, (_, n) => line.order.indexOf(`small ${n + 1}`) - before);
  expect(ahead).toBeGreaterThan(9000);
  expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...places)).toBeLessThan(ahead * 0.05);
}, 60_000);

it('as the same tenant’s, the twenty wait for all the jobs before them', async () => {
  const line = new Line(bench.queue());
  await line.submit('one', 300);
  await line.join(4);
  const [before, ahead] = [line.order.length, await bench.redis.zcard(line.queue.keys.pending('one'))];
  await line.submit('one', 20, { label: 'late' });
  await line.work(310);
  expect(ahead).toBe(294);
  expect(line.order.indexOf('one late-1') - before).toBe(ahead);
});

it('gives shares by weight, within 5 %', async () => {
  const line = new Line(bench.queue());
  const weights = { a: 1, b: 2, c: 5 };
  for (const [tenant, weight] of Object.entries(weights)) await line.queue.protocol.limitTenant(tenant, { weight });
  for (const tenant of Object.keys(weights)) await line.submit(tenant, 300);
  await line.join(4);
  await line.work(394);
  const released = line.order.length;
  expect(released).toBe(400);
  for (const [tenant, weight] of Object.entries(weights)) {
    const share = (released * weight) / 8;
    expect(Math.abs(line.count(tenant) - share), tenant).toBeLessThanOrEqual(share * 0.05);
  }
});

it('shares by the new weight from the next release on', async () => {
  const line = new Line(bench.queue());
  await line.submit('a', 300);
  await line.submit('b', 300);
  await line.join(4);
  await line.work(50);
  await line.queue.protocol.limitTenant('b', { weight: 4 });
  const from = line.order.length;
  await line.work(100);
  expect(Math.abs(line.count('b', from) - 80)).toBeLessThanOrEqual(4);
});

it('a tenant that was worth little waits no longer than its new weight asks for', async () => {
  const placeOfSecond = async (raised: boolean): Promise<number> => {
    const line = new Line(bench.queue());
    await line.queue.protocol.limitTenant('a', { weight: 100 });
    await line.submit('a', 200);
    await line.submit('b', 5);
    await line.join(1);
    await line.work(10);
    const from = line.order.length;
    expect(line.count('b')).toBe(1);
    if (raised) await line.queue.protocol.limitTenant('b', { weight: 100 });
    await line.work(120);
    return line.order.indexOf('b 2') - from;
  };
  expect(await placeOfSecond(true)).toBeLessThan(4);
  expect(await placeOfSecond(false)).toBeGreaterThan(80);
});

it('takes all ten priorities of a tenant in order, and none of them touches another tenant’s turn', async () => {
  const line = new Line(bench.queue());
  for (const priority of [3, 9, 0, 7, 1, 5, 8, 2, 6, 4]) await line.submit('a', 1, { priority });
  await line.submit('b', 10, { priority: 9 });
  await line.join(1);
  await line.work(20);
  const jobs = await Promise.all(
    Array.from({ length: 10 }, (_, p) => line.queue.protocol.readState('a', `p${p}-1`).then((job) => job?.priority)),
  );
  expect(jobs).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(Math.abs(line.order.slice(0, 10).filter((name) => name.startsWith('a ')).length - 5)).toBeLessThanOrEqual(1);
});

it('leaves no place empty: what a tenant at its cap may not have, another gets', async () => {
  const line = new Line(bench.queue());
  await line.queue.protocol.limitTenant('big', { maxRunningJobs: 1, weight: 1000 });
  await line.submit('big', 50);
  await line.submit('small', 50);
  await line.join(4);
  expect([line.count('big'), line.count('small')]).toEqual([1, 5]);
  await line.work(30);
  expect(await line.queue.protocol.readTenant(ALL_TENANTS)).toMatchObject({ runningJobs: 6 });
  expect(await line.queue.protocol.readTenant('big')).toMatchObject({ runningJobs: 1 });
});

it('fills the places at once when a cap is lifted while all runs, and holds again when it is set', async () => {
  const line = new Line(bench.queue());
  await line.queue.protocol.limitTenant('big', { maxRunningJobs: 1 });
  await line.submit('big', 50);
  await line.join(4);
  expect(line.order).toHaveLength(1);
  await line.queue.protocol.limitTenant('big', { maxRunningJobs: null });
  await line.sweep();
  expect(line.order).toHaveLength(6);
  await line.queue.protocol.limitTenant('big', { maxRunningJobs: 3 });
  await line.work(4);
  expect(await line.queue.protocol.readTenant('big')).toMatchObject({ runningJobs: 3 });
});

it('stops a tenant at a cap of 0, and all of them at a total of 0, until it is lifted', async () => {
  const line = new Line(bench.queue());
  await line.queue.protocol.limitTenant('a', { maxRunningJobs: 0 });
  await line.submit('a', 3);
  await line.submit('b', 3);
  await line.join(4);
  expect([line.count('a'), line.count('b')]).toEqual([0, 3]);
  await line.queue.protocol.limitTenant(ALL_TENANTS, { maxRunningJobs: 0 });
  await line.queue.protocol.limitTenant('a', { maxRunningJobs: 'unsaid' });
  await line.work(3);
  expect(line.count('a')).toBe(0);
  await line.queue.protocol.limitTenant(ALL_TENANTS, { maxRunningJobs: 2 });
  await line.sweep();
  expect(line.count('a')).toBe(2);
});

it('goes on exactly where it was when workers die and Redis is killed and started again', async () => {
  const run = async (interrupt: (line: Line) => Promise<void>): Promise<string[]> => {
    const line = new Line(bench.queue());
    await line.queue.protocol.limitTenant('b', { weight: 3 });
    await line.queue.protocol.limitTenant('c', { maxRunningJobs: 1 });
    for (const tenant of ['a', 'b', 'c']) await line.submit(tenant, 30);
    await line.join(3);
    for (let n = 0; n < 3; n++) {
      await line.work(9);
      await interrupt(line);
    }
    await line.work(1000);
    return line.order;
  };
  await bench.redis.config('SET', 'appendfsync', 'always');
  const undisturbed = await run(async () => undefined);
  expect(undisturbed).toHaveLength(90);
  const disturbed = await run(async (line) => {
    await line.leave();
    await bench.server.kill('SIGKILL');
    await bench.server.restart();
    await bench.redis.config('SET', 'appendfsync', 'always');
    await line.join(3);
  });
  expect(disturbed).toEqual(undisturbed);
}, 60_000);

it('an idle queue keeps nothing of its tenants but what was said of them', async () => {
  const line = new Line(bench.queue());
  await line.queue.protocol.limitTenant('a', { weight: 3 });
  for (const tenant of ['a', 'b', 'c']) await line.submit(tenant, 10);
  await line.join(2);
  await line.work(30);
  const { keys } = line.queue;
  const perTenant = ['a', 'b', 'c'].flatMap((tenant) => [keys.pending(tenant), keys.running(tenant)]);
  expect(
    await bench.redis.exists(...perTenant, keys.ready, keys.held, keys.inflight, keys.queuedBytes, keys.pace),
  ).toBe(0);
  expect(await bench.redis.hkeys(keys.tenants)).toEqual(['a']);
});
