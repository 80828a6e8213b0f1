import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { HostilePen, MIB } from './harness.ts';
import { runOnHost } from './on-host.ts';

/** What a job may write is bounded, and gone afterwards whatever its shape. */
const pen = await HostilePen.ofFile();

it('A14 a chain of 20,000 directories is gone in time', async () => {
  // The control: a tenth of it is made on the host too, and no path leads to its end.
  expect((await runOnHost('nobody', 'a14-deep.c', { depth: 2_200 })).stdout).toBe('2200\n');
  const byPath = spawnSync('python3', ['-c', 'import os; os.stat("d/" * 2200)'], { encoding: 'utf8' });
  expect(byPath.stderr).toContain('File name too long');

  const limits = { inodes: 30_000, wallTimeMs: 4_000 };
  const { outcome, artifacts } = await pen.attack('a14-deep.c', {
    given: { depth: 20_000 },
    artifacts: ['**'],
    limits,
  });
  expect(['exited', 'disk-exceeded', 'wall-time-exceeded']).toContain(outcome.kind);
  expect(artifacts.some((one) => 'rejected' in one && one.rejected === 'too-deep')).toBe(true);
  const began = Date.now();
  expect((await pen.run({ runtime: 'bash', source: 'true' })).outcome.kind).toBe('exited');
  expect(Date.now() - began).toBeLessThan(5_000);
});

it('A19 disk and inode limits hold to the byte, inputs included', async () => {
  const source = 'import os\nn = 0\ntry:\n  while True:\n    os.mknod(str(n)); n += 1\nexcept OSError: print(n)';
  const inodes = await pen.run({ source, limits: { inodes: 100 } });
  expect([inodes.stdout?.text, inodes.limitsHit]).toEqual(['99\n', ['inodes']]);
  expect((await pen.run({ source, limits: { inodes: 200 } })).stdout?.text).toBe('199\n');
  const fill = 'f = open("x", "wb", 0)\nn = 0\ntry:\n  while True: n += f.write(bytes(4096))\nexcept OSError: print(n)';
  const disk = await pen.run({ source: fill, limits: { diskBytes: MIB } });
  expect([disk.stdout?.text, disk.limitsHit]).toEqual([`${MIB - 4096}\n`, ['diskBytes']]);
});
