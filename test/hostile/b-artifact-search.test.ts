import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';

/** The search for artifacts is bounded, whatever the tree and the patterns. */
const pen = await HostilePen.ofFile();
const limits = { inodes: 220_000, wallTimeMs: 60_000, cpuTimeMs: 60_000, memoryBytes: 1024 * MIB };
const search = (files: number, artifacts: string[]) =>
  pen.attack('b15-many.c', { given: { files }, artifacts, limits });

// The walk looks at 200,000 entries and no more: what is beyond is never seen, and a million, which is as many
// inodes as any job may have, would only take a gigabyte of the kernel's memory and longer to make.
it('B15 a directory of 210,000 files is cut at the limit, in time', async () => {
  const result = await search(210_000, ['w/*', '**/*']);
  expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  expect([result.artifacts.length, result.artifactsTruncated]).toEqual([64, true]);
  expect(result.timing?.collectUs).toBeLessThan(10_000_000);
});

it('B15 a search that was cut says so, though it found nothing', async () => {
  const cut = await search(210_000, ['w/x*']);
  expect([cut.outcome.kind, cut.artifacts, cut.artifactsTruncated]).toEqual(['exited', [], true]);
  const whole = await search(1_000, ['w/x*']);
  expect([whole.outcome.kind, whole.artifacts, whole.artifactsTruncated]).toEqual(['exited', [], false]);
});

it('B21 patterns that explode are matched in time', async () => {
  const bombs = [
    (i: number) => `w/${'*1'.repeat(500)}${i}`,
    (i: number) => `w/${'?*'.repeat(500)}${i}`,
    (i: number) => `**/${'[!b]*'.repeat(180)}q${i}`,
  ];
  for (const bomb of bombs) {
    const patterns = Array.from({ length: 64 }, (_, index) => bomb(index));
    const result = await search(5_000, patterns);
    expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(result.timing?.collectUs).toBeLessThan(5_000_000);
  }
});
