import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F28 just-in-time compilers work', async () => {
  expect(await onHost('nobody', 'f28-jit.py', { mdwe: true })).toEqual({ jit: 'EACCES' });
  expect(await pen.ask('f28-jit.py')).toEqual({ jit: 'ok' });
});

it('F28 memory that may never become executable is no feature: refused by name', async () => {
  const asked = await pen.run({ source: '', policy: { mdwe: true } });
  expect(asked.outcome).toMatchObject({ kind: 'rejected', field: 'policy.mdwe', rule: 'additionalProperties' });
  const required = await pen.run({ source: '', policy: { require: ['mdwe'] } });
  expect(required.outcome).toMatchObject({ kind: 'rejected', field: 'policy.require[0]', rule: 'enum' });
});
