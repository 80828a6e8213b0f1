import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen, MIB } from './harness.ts';

const pen = await HostilePen.ofFile();

it('K02 size, depth, number; and little of our memory', async () => {
  expect((await pen.run(job(',"args":["x"],"env":{"K":""},"priority":9'))).outcome.kind).toBe('exited');
  const before = process.memoryUsage().rss;
  await refuse(pen, job(`,"args":${'['.repeat(100_000)}${']'.repeat(100_000)}`), 'depth');
  await refuse(pen, job(`,"env":{${Array.from({ length: 100_000 }, (_, i) => `"K${i}":""`).join()}}`));
  await refuse(pen, job(`,"args":[${Array(1_000_000).fill('""').join()}]`));
  await refuse(pen, job(`,"source2":"${'x'.repeat(25 * MIB)}"`), 'size');
  await refuse(pen, job(`,"priority":${'9'.repeat(10_000)}`));
  await refuse(pen, 'x'.repeat(100 * MIB), 'size');
  // The documents themselves are most of it: each lies in this process once as text and once as bytes.
  expect(process.memoryUsage().rss - before).toBeLessThan(700 * MIB);
});
