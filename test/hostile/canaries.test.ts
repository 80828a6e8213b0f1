import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';
import { compareHostStates, takeHostState } from './host-state.ts';

/** The oracle itself: a program that touches every canary is noticed at each of them. */
const pen = await HostilePen.open();
await pen.settle();
const noticed: string[] = [];
afterAll(async () => {
  noticed.push(...(await pen.close()));
  expect(noticed.some((line) => line.startsWith('left:') || line.startsWith('gone:'))).toBe(false);
});

// Without a module of its own (vsock_loopback) a kernel carries nothing from itself to itself.
const LOOPBACK = existsSync('/sys/module/vsock_loopback');

it('every canary is planted, and whoever touches one is noticed', async () => {
  const { canaries } = pen;
  expect(canaries.complete).toEqual({ key: true, vsock: true });
  expect(await pen.touched()).toEqual([]);
  const { vsock, ...answers } = await onHost('root', 'canary-touch.py', {
    ...canaries.targets,
    neighbour: pen.neighbour,
  });
  expect(Object.entries(answers).filter(([, answer]) => answer !== 'ok')).toEqual([]);
  expect(vsock === 'ok').toBe(LOOPBACK);
  const { rootOnly, worldReadable } = canaries.targets;
  expect((await pen.touched()).sort()).toEqual(
    [
      `changed: ${rootOnly}`,
      `given away: ${worldReadable}`,
      ...['tcp', 'udp', 'unix', 'abstract', 'dns', 'redis'].map((kind) => `${kind} listener: heard 1`),
      ...(LOOPBACK ? ['vsock listener: heard 1'] : []),
      'the victim is not sleeping',
      'the key: other',
      'the neighbour is not sleeping',
      "the neighbour's file: other",
    ].sort(),
  );
});

it('a secret that comes back in a result is noticed, in every place that a result has', async () => {
  const { secret } = pen.canaries;
  const tell = (source: string) => pen.run({ runtime: 'bash', source, env: { SECRET: secret }, artifacts: ['*'] });
  for (const source of ['echo $SECRET', 'echo $SECRET >&2', 'echo $SECRET > file', 'printf "\\377$SECRET"']) {
    await expect(tell(source), source).rejects.toThrow('a canary came back');
  }
  expect((await tell('echo $SECRET | cut -c 2-')).outcome).toMatchObject({ exitCode: 0 });
});

it('what is changed of the host is noticed', () => {
  const uids = { first: 620_000, count: 4_096 };
  const before = takeHostState(uids);
  expect([...before].some((line) => line.startsWith('setting: kernel/tainted '))).toBe(true);
  for (const kind of ['setting', 'mount', 'group']) {
    expect([...before].filter((line) => line.startsWith(`${kind}: `)).length, kind).toBeGreaterThan(2);
  }
  writeFileSync('/dev/shm/hostile-stray', '');
  const after = takeHostState(uids);
  rmSync('/dev/shm/hostile-stray');
  expect(compareHostStates(before, after)).toContain('is: stray: /dev/shm/hostile-stray');
  const changed = new Set([...before].map((line) => line.replace(/^(setting: kernel\/tainted) .*/, '$1 513')));
  expect(compareHostStates(before, changed)).toHaveLength(2);
});
