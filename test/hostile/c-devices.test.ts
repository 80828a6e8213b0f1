import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';
import { runOnHost } from './on-host.ts';

/** Five devices, and its own pipes. */
const pen = await HostilePen.ofFile();

it('C09 its own pipes are all that it can read back', async () => {
  const { outcome, stdout, stderr } = await pen.attack('c09-own-pipes.py');
  expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
  expect(stdout?.text ?? '').toMatch(/^x*(end)?$/);
  expect(JSON.parse(stderr?.text ?? '')).toEqual({
    'open 0': 'ok',
    'open 1': 'ok',
    'open 2': 'ok',
    'only ours': true,
  });
  // The control: a log of many for stdout, and everybody's lines are read.
  const log = join(mkdtempSync(join(tmpdir(), 'bullpen-hostile-log-')), 'log');
  writeFileSync(log, "somebody else's line");
  const outside = await runOnHost('root', 'c09-own-pipes.py', { log });
  rmSync(dirname(log), { recursive: true });
  expect(JSON.parse(outside.stderr)).toMatchObject({ 'open 1': 'ok', 'only ours': false });
});

it('C10 five devices, and they are what they seem', async () => {
  expect(keysWith(await onHost('root', 'c10-devices.py'), 'ok').length).toBeGreaterThan(3);
  const { names, numbers, ...others } = await pen.ask('c10-devices.py');
  const devices = { null: [1, 3, true], zero: [1, 5, true], full: [1, 7, true] };
  expect(numbers).toEqual({ ...devices, random: [1, 8, true], urandom: [1, 9, true] });
  const known = ['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero'];
  expect(names).toEqual(known);
  expect(others).toEqual(every(others, 'ENOENT'));
});
