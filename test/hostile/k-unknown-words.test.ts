import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

it('K07 a word that is unknown, or almost known', async () => {
  for (const word of ['netwrok', 'Network', 'network ', 'capabilities', 'seccomp', 'unconfined']) {
    await refuse(pen, job(`,"policy":{"version":1,"${word}":{}}`), 'additionalProperties');
  }
  expect((await pen.run(job(',"policy":{"version":1,"network":{}}'))).outcome.kind).toBe('exited');
});

it('K08 another version, earlier or later', async () => {
  for (const version of ['0', '2', '"1"', 'null', '-1']) {
    await refuse(pen, `{"kind":"job","version":${version},"runtime":"bash","source":"true"}`);
    await refuse(pen, job(`,"policy":{"version":${version}}`));
  }
  await refuse(pen, '{"kind":"job","runtime":"bash","source":"true"}', 'required');
  expect((await pen.run(job(',"policy":{"version":1}'))).outcome.kind).toBe('exited');
});
