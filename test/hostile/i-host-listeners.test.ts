import { expect, it } from 'vitest';
import { every, HostilePen, keysWith, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

const PRIVATE = { policy: { network: { loopback: 'private' } } };

it("I02 the host's own listeners hear nothing", async () => {
  const { targets, heard } = pen.canaries;
  const outside = keysWith(await onHost('nobody', 'i02-host-listeners.py', targets), 'ok');
  for (const name of ['port 127.0.0.1', 'port 0.0.0.0', `port ${targets.address}`, 'redisPort 127.0.0.1']) {
    expect(outside).toContain(name);
  }
  expect(heard.tcp).toBeGreaterThan(2);
  await pen.canaries.hush();
  const denied = await pen.ask('i02-host-listeners.py', targets);
  expect(denied).toEqual(every(denied, 'EAFNOSUPPORT'));
  const own = await pen.ask('i02-host-listeners.py', targets, PRIVATE);
  expect(own).toMatchObject({ 'port 127.0.0.1': 'ECONNREFUSED', [`port ${targets.address}`]: 'ENETUNREACH' });
  expect(keysWith(own, 'ok').filter((name) => !name.startsWith('udp'))).toEqual([]);
  expect(await pen.touched()).toEqual([]);
});

it('I06 no Unix socket of the host', async () => {
  const { targets, heard } = pen.canaries;
  expect(await onHost('nobody', 'i06-unix-sockets.py', targets)).toMatchObject({ canary: 'ok', abstract: 'ok' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([heard.unix, heard.abstract]).toEqual([1, 1]);
  await pen.canaries.hush();
  const { abstract, ...paths } = await pen.ask('i06-unix-sockets.py', targets);
  expect(paths).toEqual(every(paths, 'ENOENT'));
  expect(['ECONNREFUSED', 'EPERM']).toContain(abstract);
  expect(await pen.touched()).toEqual([]);
});
