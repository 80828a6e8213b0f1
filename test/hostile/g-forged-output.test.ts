import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';
import { runOnHost } from './on-host.ts';

const pen = await HostilePen.ofFile();

it('G04 nothing that is printed or left in a file is believed', async () => {
  const outside = await runOnHost('nobody', 'g04-lies.py');
  expect([outside.code, outside.stdout.split('\n').length, outside.stderr.split('\n').length]).toEqual([7, 9, 9]);
  const { outcome, attribution, limitsHit, stdout, stderr, artifacts } = await pen.attack('g04-lies.py', {
    artifacts: ['result.json', 'outcome', 'meta.txt'],
  });
  expect([outcome, attribution]).toEqual([{ kind: 'exited', exitCode: 7, phase: 'run' }, 'guest']);
  expect([stdout?.text, stderr?.text, limitsHit ?? []]).toEqual([outside.stdout, outside.stderr, []]);
  expect(artifacts).toHaveLength(3);
});
