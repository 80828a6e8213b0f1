import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

it('K04 JSON that means two things', async () => {
  await refuse(pen, job(',"source":"false"'), 'duplicate-key');
  await refuse(pen, job(',"\\u0073ource":"false"'), 'duplicate-key');
  await refuse(pen, `\ufeff${job()}`, 'encoding');
  await refuse(pen, `${job()}x`, 'json');
  await refuse(pen, `${job()}${job()}`, 'json');
  await refuse(pen, job(',"args":["\\ud800"]'), 'encoding');
  for (const number of ['1e309', '1.0', '-0', '1e2', '9007199254740993', 'NaN', 'Infinity', '0x10', '01']) {
    await refuse(pen, job(`,"priority":${number}`));
  }
  expect((await pen.run(` \n${job(',"args":["\\ud83d\\ude00"],"priority":1')}\n`)).outcome.kind).toBe('exited');
});
