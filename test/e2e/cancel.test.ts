import { afterAll, beforeAll, expect, it } from 'vitest';
import { newUid } from '../../protocol/index.ts';
import { Leaf } from '../helpers/leaf.ts';
import { Pen, until } from '../helpers/pen.ts';
import { processesWith } from '../helpers/processes.ts';
import { TREE, treeJob } from '../helpers/tree.ts';

let pen: Pen;
beforeAll(async () => {
  pen = await Pen.open();
  await pen.startWorker();
});
afterAll(() => pen.close());

/** Starts a job of many processes; returns its handle and leaf when all of them are there. */
async function plantTree() {
  const token = newUid();
  const handle = await pen.producer.submit(treeJob(token));
  await until('the guest runs', () => processesWith(token).length > 0);
  const leaf = Leaf.of(processesWith(token)[0] ?? 0);
  if (leaf === null) throw new Error('the guest is in no leaf');
  await until('all of its processes are there', () => leaf.processes.length >= TREE);
  return { handle, leaf, token };
}

it('whoever reads that a job was cancelled finds nothing of it alive', async () => {
  const { handle, leaf, token } = await plantTree();
  const ended = handle.result({ timeoutMs: 20_000 }).then((result) => ({ result, alive: leaf.processes }));
  expect(await handle.cancel()).toBe('requested');
  const { result, alive } = await ended;
  expect(alive).toEqual([]);
  expect(processesWith(token)).toEqual([]);
  expect(result).toMatchObject({ outcome: { kind: 'cancelled', by: 'caller' }, epoch: 1 });
}, 60_000);

it('a cancelled job empties no leaf but its own', async () => {
  const [one, other] = [await plantTree(), await plantTree()];
  await one.handle.cancel();
  await one.handle.result({ timeoutMs: 20_000 });
  expect(one.leaf.processes).toEqual([]);
  expect(other.leaf.processes.length).toBeGreaterThanOrEqual(TREE);
  await other.handle.cancel();
  expect(await other.handle.result({ timeoutMs: 20_000 })).toMatchObject({ outcome: { kind: 'cancelled' } });
}, 60_000);
