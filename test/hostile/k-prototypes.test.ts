import { expect, it } from 'vitest';
import { job, refuse } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

for (const name of ['__proto__', 'constructor', 'prototype']) {
  it(`K03 ${name} is no key anywhere`, async () => {
    await refuse(pen, job(`,"env":{"${name}":"x"}`), 'forbidden-key');
    await refuse(pen, job(`,"${name}":{"polluted":true}`), 'forbidden-key');
    await refuse(pen, job(`,"policy":{"version":1,"limits":{"${name}":{"polluted":true}}}`), 'forbidden-key');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
}

it('K03 other names that every object has are unknown fields', async () => {
  for (const name of ['toString', 'valueOf', 'hasOwnProperty']) {
    await refuse(pen, job(`,"${name}":1`), 'additionalProperties');
  }
  expect((await pen.run(job(',"env":{"toString":"x"}'))).outcome.kind).toBe('exited');
});
