import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F14 no personality that weakens', async () => {
  expect(keysWith(await onHost('nobody', 'f14-personality.py'), 'ok')).toHaveLength(4);
  const { ask: asking, ...answers } = await pen.ask('f14-personality.py');
  expect(asking).toBe('ok');
  expect(answers).toEqual(every(answers, 'EPERM'));
});
