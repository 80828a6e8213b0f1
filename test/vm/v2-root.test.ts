// A worker that is root where cgroup v2 is alone: every layer, every limit of a policy, and the place that it makes for its leaves.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Vm } from '../../ops/vm/vm.ts';
import { expectKept, LIMITS } from '../helpers/limits.ts';
import { bootGuest, jobs, sh, worker } from './guest.ts';

const JOB = { kind: 'job', version: 1, runtime: 'python', source: 'print(6 * 7)' };
const UNIT = '/sys/fs/cgroup/unit';

let vm: Vm;
beforeAll(async () => {
  vm = await bootGuest('v2');
});
afterAll(() => vm?.close());

test('every layer holds', async () => {
  const { document } = await worker(vm, ['check']);
  const { layers } = document as { layers: { layer: string; held: boolean; value: string | null }[] };
  expect(layers.filter(({ held }) => !held)).toEqual([]);
  expect(layers).toContainEqual(expect.objectContaining({ layer: 'landlock', value: '2' }));
  for (const layer of ['cgroup-memory', 'cgroup-pids', 'cgroup-cpu']) {
    expect(layers).toContainEqual(expect.objectContaining({ layer, value: 'v2' }));
  }
});

test('every limit is kept', async () => {
  const results = await jobs(
    vm,
    LIMITS.map(({ job }) => job),
  );
  for (const [index, one] of LIMITS.entries()) expectKept(one, results[index], 'v2');
});

test('what Landlock has no right for in this version is refused by another layer', async () => {
  const tries = `import socket, os, signal
def of(act):
    try: act()
    except OSError as error: return error.errno
    return 0
print(of(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)), of(lambda: os.truncate('/usr/bin/sh', 0)))`;
  const [result] = await jobs(vm, [{ ...JOB, source: tries }]);
  // EAFNOSUPPORT by the filter; EROFS by the mount, or EACCES as it is not ours.
  expect(result?.stdout?.text).toMatch(/^97 (30|13)\n$/);
});

test('a service whose group was delegated to it makes its leaves in that group, and moves out of their way', async () => {
  await sh(vm, `mkdir ${UNIT} && python3 -c 'import os; os.setxattr("${UNIT}", "user.delegate", b"1")'`);
  const look = `echo "$(cat /proc/self/cgroup)"; sleep 1`;
  const run = jobs(vm, [JOB, { ...JOB, runtime: 'bash', source: look }], { cgroup: UNIT });
  expect((await run).map(({ outcome }) => outcome)).toEqual([
    { kind: 'exited', exitCode: 0, phase: 'run' },
    { kind: 'exited', exitCode: 0, phase: 'run' },
  ]);
  // The worker was in the group itself; with controllers handed down nobody may be.
  expect(await sh(vm, `cat ${UNIT}/cgroup.procs; ls -d ${UNIT}/*/`)).toBe(`${UNIT}/worker/`);
  expect((await sh(vm, `cat ${UNIT}/cgroup.subtree_control`)).split(' ').sort()).toEqual(['cpu', 'memory', 'pids']);
  await sh(vm, `rmdir ${UNIT}/worker ${UNIT}`);
});

test('nothing is left in the cgroup tree', async () => {
  expect(await sh(vm, 'find /sys/fs/cgroup -name bullpen')).toBe('');
});
