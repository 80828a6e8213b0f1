import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

it('F26 no other id, no capability', async () => {
  const outside = keysWith(await onHost('root', 'f26-ids.py'), 'ok');
  for (const name of ['setuid 999', 'setresgid 65534', 'setgroups', 'capset']) expect(outside).toContain(name);
  const answers = await pen.ask('f26-ids.py');
  expect(answers).toEqual(every(answers, 'EPERM'));
});
