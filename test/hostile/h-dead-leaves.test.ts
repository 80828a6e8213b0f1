import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

/** Memory groups that the kernel still knows, removed ones among them. */
const groups = () => Number(/^memory\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/cgroups', 'utf8'))?.[1]);
const JOBS = 20;

it('H26 control groups of jobs that are over do not pile up', async () => {
  // A fact of every kernel with control groups, the sandbox's too: without it there would be nothing to count.
  expect(groups()).toBeGreaterThan(1);
  await pen.attack('h26-many-names.py');
  const before = groups();
  for (let count = 0; count < JOBS; count += 1) await pen.attack('h26-many-names.py');
  expect(groups() - before).toBeLessThan(JOBS / 2);
});
