import { expect, it } from 'vitest';
import { job } from './documents.ts';
import { HostilePen } from './harness.ts';

const pen = await HostilePen.ofFile();

/** What a tenant must not read: our paths, our names, a stack, a Redis. */
const hostly = () =>
  new RegExp(
    [
      pen.runDir,
      pen.lease.instance,
      'bullpen-forkserver',
      '/sys/fs',
      '\\bat .*:\\d+:\\d+',
      'redis:',
      '\\.rs:',
      '\\.ts:',
    ].join('|'),
  );
const BAD = [
  ',"policy":{"name":"x"}',
  ',"cwd":"/proc/1"',
  ',"files":[{"path":"../x","text":""}]',
  ',"artifacts":["["]',
  ',"runtime2":1',
  ',"stdin":{"blob":"sha256:0"}',
  ',"policy":{"version":1,"require":["vm"]}',
  ',"policy":{"version":1,"filesystem":{"readonlyPaths":["/srv"]}}',
  ',"policy":{"version":1,"network":{"egress":{"default":"allow"}}}',
  ',"policy":{"version":1,"limits":{"memoryBytes":1099511627776}}',
];

it('K26 messages name nothing of the host', async () => {
  expect(`Error\n    at run (${pen.runDir}/x.ts:1:2)`).toMatch(hostly());
  for (const more of BAD) {
    const { outcome } = await pen.run(job(more));
    expect(['rejected', 'unavailable'], more).toContain(outcome.kind);
    expect(JSON.stringify(outcome)).not.toMatch(hostly());
  }
});

it('K26 nor does the result of a program that can not be started, or crashes', async () => {
  for (const command of [['/nowhere'], ['/work'], ['/bin/sh', '-c', 'kill -SEGV $$']]) {
    const result = await pen.run({ runtime: 'bash', command });
    const { worker: _, ...told } = result as unknown as Record<string, unknown>;
    expect(JSON.stringify({ ...told, sandbox: undefined })).not.toMatch(hostly());
  }
});
