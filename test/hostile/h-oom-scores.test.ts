import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const MOST = 1_000;
const score = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));

/** Parents of a process, nearest first, up to this one. */
function parents(pid: number): number[] {
  const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return parent === process.pid ? [] : [parent, ...parents(parent)];
}

it('H22 when memory runs out the guest is taken, not who watches over it', async () => {
  const [init = 0, ...ours] = parents(pen.neighbour);
  expect([score(pen.neighbour), score(init)]).toEqual([MOST, MOST]);
  expect(ours.length).toBeGreaterThan(1);
  for (const pid of [process.pid, ...ours]) expect(score(pid)).toBeLessThan(MOST);
});

it('H22 a guest cannot put itself further back', async () => {
  expect(await onHost('nobody', 'h22-oom-score.py')).toEqual({ raise: 'ok', lower: 'ok', after: 0 });
  const answers = await pen.ask('h22-oom-score.py');
  expect(['EACCES', 'EPERM', 'EROFS']).toContain(answers['lower']);
  expect(answers).toMatchObject({ after: MOST });
});
