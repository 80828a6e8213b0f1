import { expect, it } from 'vitest';
import { every, HostilePen, keysWith } from './harness.ts';

/** The limits of a process are those of the policy, for good. */
const pen = await HostilePen.ofFile();

it('D08 limits of a process are as the policy says, and can not be raised', async () => {
  const answers = await pen.ask('d08-limits.py', {}, { limits: { openFiles: 100, diskBytes: 1_048_576 } });
  expect(answers).toMatchObject({
    NOFILE: [100, 100],
    // One page above the disk: what is written in order meets the full disk first.
    FSIZE: [1_052_672, 1_052_672],
    MEMLOCK: [0, 0],
    MSGQUEUE: [0, 0],
    NICE: [0, 0],
    RTPRIO: [0, 0],
  });
  const raised = Object.keys(answers).filter((key) => key.startsWith('raise '));
  const raises = Object.fromEntries(raised.map((key) => [key, answers[key]]));
  expect(raised.length).toBeGreaterThan(6);
  expect(raises).toEqual(every(raises, 'EPERM'));
  // The control: up to the hard limit each of them moves, except the one for cores, which nobody touches.
  const within = keysWith(answers, 'ok').filter((key) => key.startsWith('within ') && key !== 'within CORE');
  expect(within.map((key) => key.replace('within', 'raise'))).toEqual(raised.filter((key) => key !== 'raise CORE'));
});
