import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { HostilePen, MIB, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const ENOSPC = 28;
const PLACES = ['/work', '/tmp', '/dev/shm'];
type Written = Record<string, [bytes: number, errno: number]>;

it('H07 everything writable together is the disk', async () => {
  const fill = { places: PLACES, bytes: 4 * MIB };
  const outside = (await onHost('nobody', 'h07-fill.py', { places: ['a', 'b'], bytes: 4 * MIB })) as Written;
  expect(Object.values(outside)).toEqual(Array(2).fill([4 * MIB, 0]));
  const larger = (await pen.ask('h07-fill.py', fill, { limits: { diskBytes: 16 * MIB } })) as Written;
  expect(Object.values(larger)).toEqual(Array(3).fill([4 * MIB, 0]));
  const before = statfsSync(tmpdir());
  const answers = (await pen.ask('h07-fill.py', fill, { limits: { diskBytes: 2 * MIB } })) as Written;
  expect(Object.values(answers).reduce((sum, [bytes]) => sum + bytes, 0)).toBeLessThan(2 * MIB);
  expect(Object.values(answers).map(([, errno]) => errno)).toEqual([ENOSPC, ENOSPC, ENOSPC]);
  expect(Math.abs(statfsSync(tmpdir()).bavail - before.bavail) * before.bsize).toBeLessThan(512 * MIB);
});

it('H08 no more files than inodes', async () => {
  const most = { most: 3_000 };
  expect(await onHost('nobody', 'h08-inodes.py', most)).toEqual({ made: 3_000, errno: 0 });
  const enough = await pen.ask('h08-inodes.py', most, { limits: { inodes: 4_000 } });
  expect(enough).toEqual({ made: 3_000, errno: 0 });
  const { made, errno } = await pen.ask('h08-inodes.py', most, { limits: { inodes: 1_000 } });
  expect(errno).toBe(ENOSPC);
  expect(made).toBeLessThan(1_000);
  const failing = await pen.run({ runtime: 'bash', source: 'touch $(seq 2000)', limits: { inodes: 1_000 } });
  expect([failing.outcome.kind, failing.limitsHit]).toEqual(['disk-exceeded', ['inodes']]);
});

it('H10 no file is larger than the disk', async () => {
  const limits = { diskBytes: 2 * MIB };
  const beyond = await pen.ask('h10-large-file.py', { bytes: 2 * MIB + 4096 }, { limits });
  expect(beyond).toEqual({ seek: 'ok', write: 'EFBIG', truncate: 'EFBIG' });
  const within = await pen.ask('h10-large-file.py', { bytes: MIB }, { limits });
  expect(within).toEqual({ seek: 'ok', write: 'ok', truncate: 'ok' });
  // The signal of that limit is no evidence: whoever sends it to itself was signalled, whoever filled the disk filled it.
  const filled = await pen.run({ runtime: 'bash', source: 'cat /dev/zero > x', limits });
  expect([filled.outcome.kind, filled.limitsHit]).toEqual(['disk-exceeded', ['diskBytes']]);
});
