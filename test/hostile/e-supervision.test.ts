import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

/** What a program calls itself, and where it writes, changes nothing of how it is watched. */
const pen = await HostilePen.ofFile();

it('E13 a name is only a name', async () => {
  // The control: the name is taken as it is, line feed and all.
  const named = { name: 'ok', read: 'x\nSeccomp:\t0\x1b\n', pdeathsig: 'ok' };
  expect(await onHost('nobody', 'e13-name.py')).toEqual(named);
  const { outcome, stdout, sandbox } = await pen.attack('e13-name.py');
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  expect(JSON.parse(stdout?.text ?? '')).toEqual(named);
  expect(JSON.stringify([outcome, sandbox])).not.toContain('\\u001b');
});

it('E16 nobody listens on any descriptor', async () => {
  expect(await pen.ask('e16-control.py', { hold: 1 })).toMatchObject({ 3: 'ok', 4: 'EBADF' });
  const { outcome, stdout } = await pen.attack('e16-control.py');
  const answers = JSON.parse(stdout?.text ?? '') as object;
  expect(answers).toEqual(every(answers, 'EBADF'));
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});

it('E17 a program that is not dumpable ends like any other', async () => {
  const { outcome, usage } = await pen.attack('e17-not-dumpable.py');
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  expect(usage?.wallTimeUs).toBeGreaterThan(50_000);
  const source = 'cp /usr/bin/true t; chmod 111 t; exec ./t';
  expect((await pen.run({ runtime: 'bash', source })).outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
