// One fact, for outages of different lengths: each has a file of its own, so that they pass side by side

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { JobInput } from '../../producer/index.ts';
import { Pen, until } from '../helpers/pen.ts';

/** A worker and a producer that had nothing to do while Redis was away for so long go on as if nothing had been. */
export async function expectToGoOnAfter(outageMs: number): Promise<void> {
  const pen = await Pen.open();
  try {
    const worker = await pen.startWorker({ lockMs: 30_000 });
    expect(await printed(pen, 'before')).toBe('before\n');
    await pen.redis.kill('SIGKILL');
    await sleep(outageMs);
    await pen.redis.restart();
    const hasStats = () => pen.producer.stats().then(Boolean, () => false);
    await until('Redis answers the producer', hasStats, 20_000);
    expect(await printed(pen, 'after')).toBe('after\n');
    // The same process: nobody started another.
    expect(worker.child.exitCode).toBeNull();
  } finally {
    await pen.close();
  }
}

async function printed(pen: Pen, text: string): Promise<unknown> {
  const job: JobInput = { kind: 'job', version: 1, runtime: 'bash', command: ['/bin/echo', text] };
  const { stdout } = await pen.producer.run(job, { timeoutMs: 40_000 });
  return stdout?.text;
}
