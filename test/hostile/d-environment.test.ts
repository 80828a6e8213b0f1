import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

/** Nothing of the worker's environment or memory comes along. */
const pen = await HostilePen.ofFile();

it('D03 the environment is the one that is promised', async () => {
  expect(JSON.stringify(await onHost('nobody', 'd03-environment.py'))).toContain(pen.canaries.secret);
  const environment = { HOME: '/work', PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', TMPDIR: '/tmp' };
  expect(await pen.ask('d03-environment.py')).toEqual({ environment });
  expect(await pen.ask('d03-environment.py', {}, { env: { K: 'v', PATH: '/bin' } })).toEqual({
    environment: { ...environment, PATH: '/bin', K: 'v' },
  });
});

it("D04 nothing of the worker's memory came along", async () => {
  const { secret } = pen.canaries;
  const stdin = { text: `${secret.slice(0, 16)} ${secret.slice(16)}` };
  expect(await pen.ask('d04-memory.py', {}, { stdin })).toEqual({ found: 0 });
  // The control: what is in its memory is found.
  const planted = await pen.ask('d04-memory.py', {}, { stdin: { text: 'bull pen' }, env: { X: 'bullpen' } });
  expect(planted['found']).toBeGreaterThan(0);
});
