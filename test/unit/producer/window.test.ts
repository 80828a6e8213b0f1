import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { throughWindow } from '../../../producer/window.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('yields as pieces finish, or in the order of the input', async () => {
  const work = async (ms: number): Promise<number> => sleep(ms, ms);
  const completed = await collect(throughWindow([60, 1, 30], work, { size: 3, order: 'completed' }));
  expect(completed.map(({ index }) => index)).toEqual([1, 2, 0]);
  const input = await collect(throughWindow([60, 1, 30], work, { size: 3, order: 'input' }));
  expect(input).toEqual([60, 1, 30].map((result, index) => ({ index, status: 'fulfilled', result })));
});

test.each(['completed', 'input'] as const)('never has more than its size under way (%s)', async (order) => {
  let underWay = 0;
  let most = 0;
  let yielded = 0;
  const work = async (i: number): Promise<void> => {
    underWay += 1;
    most = Math.max(most, underWay);
    await sleep(i % 7);
    underWay -= 1;
  };
  for await (const settled of throughWindow(
    Array.from({ length: 60 }, (_, i) => i),
    work,
    { size: 4, order },
  )) {
    expect(settled.status).toBe('fulfilled');
    yielded += 1;
  }
  expect(yielded).toBe(60);
  expect(most).toBe(4);
});

test('a slow consumer stops the reading of the input', async () => {
  let pulled = 0;
  async function* source(): AsyncGenerator<number> {
    for (; ; pulled++) yield pulled;
  }
  for await (const { index } of throughWindow(source(), async (i) => i, { size: 3, order: 'input' })) {
    await sleep(10);
    expect(pulled).toBeLessThanOrEqual(index + 1 + 3);
    if (index === 9) break;
  }
});

test('a piece that fails ends nothing but itself', async () => {
  const work = async (i: number): Promise<number> => {
    if (i === 1) throw new Error('bad');
    return i;
  };
  const settled = await collect(throughWindow([0, 1, 2], work, { size: 1, order: 'input' }));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('an input that throws is told after what was begun', async () => {
  function* source(): Generator<number> {
    yield 0;
    throw new Error('broken input');
  }
  const seen: number[] = [];
  const run = async (): Promise<void> => {
    for await (const { index } of throughWindow(source(), (i) => sleep(20, i), { size: 8, order: 'completed' }))
      seen.push(index);
  };
  await expect(run()).rejects.toThrow('broken input');
  expect(seen).toEqual([0]);
});

test('leaving the loop lets go of the input', async () => {
  let released = false;
  async function* source(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      released = true;
    }
  }
  for await (const _ of throughWindow(source(), async (i) => i, { size: 2, order: 'completed' })) break;
  await sleep(5);
  expect(released).toBe(true);
});

test('an empty input is an empty output', async () => {
  expect(await collect(throughWindow([], async (i) => i, { size: 1, order: 'completed' }))).toEqual([]);
});
