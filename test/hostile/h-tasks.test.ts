import { expect, it } from 'vitest';
import { HostilePen, jobOf, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('H01 a fork bomb stays within its processes', async () => {
  expect(await onHost('nobody', 'h01-fork-bomb.py', { most: 100 })).toEqual({ made: 100 });
  const { outcome, usage, limitsHit } = await pen.attack('h01-fork-bomb.py', { limits: { wallTimeMs: 1_500 } });
  expect(outcome.kind).toBe('wall-time-exceeded');
  expect(limitsHit).toContain('processes');
  expect(usage?.processesPeak).toBe(64);
});

it('H01 the limit is the number that was asked for', async () => {
  const within = await pen.ask('h01-fork-bomb.py', { most: 100 }, { limits: { processes: 101 } });
  expect(within).toEqual({ made: 100 });
  const beyond = await pen.attack('h01-fork-bomb.py', { given: { most: 100 }, limits: { processes: 100 } });
  expect([beyond.outcome.kind, beyond.limitsHit]).toEqual(['processes-exceeded', ['processes']]);
});

it('H02 threads count as processes', async () => {
  expect(await onHost('nobody', 'h02-threads.py')).toEqual({ made: 100 });
  const { outcome, stdout, limitsHit } = await pen.attack('h02-threads.py');
  expect([outcome.kind, stdout?.text, limitsHit]).toEqual(['exited', '{"made": 63}', ['processes']]);
});

it('H23 one job at its limit does not keep another from forking', async () => {
  const bomb = pen.start(jobOf('h01-fork-bomb.py', { limits: { wallTimeMs: 30_000 } }));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { outcome } = await pen.run({ runtime: 'bash', source: 'for i in 1 2 3 4 5; do /bin/true || exit 9; done' });
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  bomb.kill('cancelled');
  const ended = await bomb.wait();
  expect([ended.outcome.kind, ended.limitsHit]).toEqual(['cancelled', ['processes']]);
});
