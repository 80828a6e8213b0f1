import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

/** No name is looked up, by no way. */
const pen = await HostilePen.ofFile();

it('I04 no name is looked up, and no name server hears of it', async () => {
  const outside = await onHost('root', 'i04-names.py', { ...pen.canaries.targets, resolver: true });
  // Nobody answers there: that the question arrived is what counts.
  expect(outside).toMatchObject({ 'canary.example': -3, udp: 'ok', tcp: 'ECONNREFUSED' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pen.canaries.heard.dns).toBeGreaterThanOrEqual(3);
  await pen.canaries.hush();

  const denied = await pen.ask('i04-names.py', pen.canaries.targets);
  expect(denied).toMatchObject({ udp: 'EAFNOSUPPORT', tcp: 'EAFNOSUPPORT', tls: 'EAFNOSUPPORT' });
  const own = await pen.ask('i04-names.py', pen.canaries.targets, { policy: { network: { loopback: 'private' } } });
  // The address is one of its own loopback: a datagram is taken there, by nobody.
  expect(own).toMatchObject({ udp: 'ok', tcp: 'ECONNREFUSED', tls: 'ECONNREFUSED' });
  for (const answers of [denied, own]) {
    for (const name of ['canary.example', 'metadata.google.internal']) expect(answers[name], name).toBeLessThan(0);
  }
  expect(await pen.touched()).toEqual([]);
});
