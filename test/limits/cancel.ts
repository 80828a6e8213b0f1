// How long a cancelled job's processes live on, from the call of its producer to an empty leaf: through Redis and the worker.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { newUid } from '../../protocol/index.ts';
import { Leaf } from '../helpers/leaf.ts';
import { Pen, until } from '../helpers/pen.ts';
import { processesWith } from '../helpers/processes.ts';
import { TREE, treeJob } from '../helpers/tree.ts';

/** What is promised of 95 in 100, of a tree of 50 processes. Milliseconds. */
export const CANCEL_MS = 100;

/** Cancels so many jobs, one after another; how long each had processes, in milliseconds, the shortest first. */
export async function measureCancels(runs: number): Promise<number[]> {
  const pen = await Pen.open();
  try {
    await pen.startWorker({ logLevel: 'info' });
    const times: number[] = [];
    for (let count = 0; count < runs; count += 1) times.push(await cancelOne(pen));
    return times.sort((a, b) => a - b);
  } finally {
    await pen.close();
  }
}

async function cancelOne(pen: Pen): Promise<number> {
  const token = newUid();
  const handle = await pen.producer.submit(treeJob(token));
  await until('the guest runs', () => processesWith(token).length > 0);
  const leaf = Leaf.of(processesWith(token)[0] ?? 0);
  if (leaf === null) throw new Error('the guest is in no leaf');
  await until('all of its processes are there', () => leaf.processes.length >= TREE);
  const asked = performance.now();
  const cancelled = handle.cancel();
  while (leaf.processes.length > 0) await nextTurn();
  const took = performance.now() - asked;
  await cancelled;
  const { outcome } = await handle.result();
  if (outcome.kind !== 'cancelled') throw new Error(`it ended otherwise: ${JSON.stringify(outcome)}`);
  return took;
}
