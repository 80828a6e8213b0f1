import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

const LOADED = ['LD_PRELOAD', 'LD_AUDIT', 'GCONV_PATH', 'PYTHONSTARTUP', 'NODE_OPTIONS', 'ENV', 'IFS', 'PATH'];
const BAD_KEYS = ['A=B', 'A\\u0000', 'A\\n', '', '1A', 'A B'];

it('K12 the environment is for the program alone', async () => {
  const env = { ...Object.fromEntries(LOADED.map((name) => [name, '/work/x.so'])), BASH_ENV: '/work/e' };
  const files = [{ path: 'e', text: 'echo sourced' }];
  const { outcome, stdout } = await pen.run({ runtime: 'bash', source: 'true', env, files });
  // The shell reads what is its own to read; nothing of ours was led astray before.
  expect([outcome.kind, stdout?.text]).toEqual(['exited', 'sourced\n']);
});

it('K12 keys that are none', async () => {
  for (const key of BAD_KEYS) await refuse(pen, job(`,"env":{"${key}":"x"}`));
  await refuse(pen, job(',"env":{"A":"x\\u0000y"}'), 'nul');
  const { stdout } = await pen.run({ runtime: 'bash', source: 'echo "$A"', env: { A: 'x=y z' } });
  expect(stdout?.text).toBe('x=y z\n');
});
