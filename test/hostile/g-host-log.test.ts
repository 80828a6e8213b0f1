import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

const PROGRAM = 'g10-refused-calls.c';

/** Lines of the kernel's log about processes of this pen's uids, or about anything that is not a death by filter. */
function logged(): number {
  const { firstUid, uidCount } = pen.lease;
  const lines = execFileSync('/bin/dmesg', [], { encoding: 'utf8', maxBuffer: 1 << 26 }).split('\n');
  const uids = lines.map((line) => Number(/audit: type=1326 .* uid=(\d+) /.exec(line)?.[1] ?? -1));
  return uids.filter((uid) => uid >= firstUid && uid < firstUid + uidCount).length;
}

it('G10 a million refused calls leave no line in the log of the host', async () => {
  const before = logged();
  const { outcome, stdout } = await pen.attack(PROGRAM);
  expect([outcome.kind, JSON.parse(stdout?.text ?? '')]).toEqual(['exited', { refused: 1_000_000, killed: 0 }]);
  expect(logged()).toBe(before);
});

it('G10 deaths by filter are told by the kernel, and only so many', async () => {
  const before = logged();
  const limits = { wallTimeMs: 60_000, cpuTimeMs: 60_000 };
  const { stdout } = await pen.attack(PROGRAM, { given: { deaths: 3_000 }, limits });
  expect(JSON.parse(stdout?.text ?? '')).toMatchObject({ killed: 3_000 });
  // Ten in five seconds is the rate of the kernel's messages; what was held back comes as one line more.
  expect(logged() - before).toBeGreaterThan(0);
  expect(logged() - before).toBeLessThan(300);
});
