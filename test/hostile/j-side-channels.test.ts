import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { every, HostilePen, jobOf, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const residuals = () => /Known residuals:[^\n]*\n[^\n]*/.exec(readFileSync(DESIGN, 'utf8'))?.[0] ?? '';
const DESIGN = new URL('../../DESIGN.md', import.meta.url);

it('J09 what lies in memory of a shared file can not be asked; timing it remains, and hardware: DESIGN.md names both', async () => {
  const outside = await onHost('nobody', 'j09-residency.py');
  expect(outside['mincore']).toBe('ok');
  expect(await pen.ask('j09-residency.py')).toEqual({ mincore: 'ENOSYS', cachestat: 'ENOSYS' });
  expect(residuals()).toMatch(/hardware side channels, timing channels/);
});

it('J21 locks reach from job to job by files of the shared root only: the residual that DESIGN.md names', async () => {
  const paths = ['/usr/bin/env', '/work/probe.py', '/tmp', '/dev/shm'];
  const free = every(Object.fromEntries(paths.map((path) => [path, ''])), 'ok');
  expect(await pen.ask('j21-look.py', { paths })).toEqual(free);
  const holding = pen.start(jobOf('j21-hold.py', { given: { paths }, limits: { wallTimeMs: 60_000 } }));
  const look = () => pen.ask('j21-look.py', { paths });
  await expect.poll(look, { timeout: 20_000 }).toEqual({ ...free, '/usr/bin/env': 'EAGAIN' });
  holding.kill('cancelled');
  expect((await holding.wait()).outcome.kind).toBe('cancelled');
  expect(residuals()).toMatch(/`flock`/);
});
