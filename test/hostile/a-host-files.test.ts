import { expect, it } from 'vitest';
import { every, HostilePen, onHost, PROGRAMS } from './harness.ts';

/** No file of the host, by its name or by way of /proc. */
const pen = await HostilePen.ofFile();

it('A01 what lies on the host is not there', async () => {
  const { rootOnly, worldReadable } = pen.canaries.targets;
  const given = { rootOnly, worldReadable, source: PROGRAMS, shadow: '/etc/shadow', runDir: pen.runDir };
  const outside = await onHost('root', 'a01-host-files.py', given);
  expect(outside).toEqual(every(given, 'ok'));
  expect(await pen.ask('a01-host-files.py', given)).toEqual(every(given, 'ENOENT'));
});

it('A02 no root or working directory in /proc leads to the host', async () => {
  expect(await onHost('root', 'a02-proc-roots.py', pen.canaries.targets)).toMatchObject({ canary: true });
  expect(await pen.ask('a02-proc-roots.py', pen.canaries.targets)).toEqual({ canary: false, init: 'ENOENT' });
});
