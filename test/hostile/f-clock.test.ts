import { expect, it } from 'vitest';
import { every, HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it("F12 the host's clock", async () => {
  expect((await onHost('root', 'f12-clock.py'))['cancel on set']).toBe('ok');
  const { timer, ...answers } = await pen.ask('f12-clock.py');
  expect(timer).toBe('ok');
  expect(answers).toEqual(every(answers, 'EPERM'));
});
