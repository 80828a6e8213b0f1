import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';
import { expectRefused } from './refused.ts';

const pen = await HostilePen.ofFile();

/** A kernel built without modules has no such file; then the refusal is all there is to see. */
const modules = () => (existsSync('/proc/modules') ? readFileSync('/proc/modules', 'utf8') : null);

it('F08 no module, and nothing that would load one', async () => {
  const before = modules();
  const outside = await onHost('root-apart', 'f08-modules.py');
  expect(outside).toMatchObject({ 'file system by name': 'ENODEV', 'protocol by number': 'EPROTONOSUPPORT' });
  expect(outside['init_module']).not.toBe('EPERM');
  const answers = await pen.ask('f08-modules.py');
  expect(answers).toEqual({ ...every(answers, 'EPERM'), 'protocol by number': 'EAFNOSUPPORT' });
  expect(modules()).toBe(before);
});

it('F09 no other kernel', () => expectRefused(pen, 'f09-kexec.py'));
