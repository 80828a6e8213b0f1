// Debian 12's kernel 6.1 with cgroups as older systems mount them: a worker's job, and how its programs are confined.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Vm } from '../../ops/vm/vm.ts';
import { bootGuest, programsOf, sh, worker } from './guest.ts';

const JOB = { kind: 'job', version: 1, runtime: 'python', source: 'import os; print(os.uname().release, 6 * 7)' };

let vm: Vm;
beforeAll(async () => {
  vm = await bootGuest('v1');
});
afterAll(() => vm?.close());

test('the controllers are in v1 hierarchies, cpu and cpuacct in one', async () => {
  const places = (await sh(vm, 'cat /proc/self/cgroup')).split('\n').map((line) => line.split(':')[1]);
  expect(places.sort()).toEqual(['', 'cpu,cpuacct', 'memory', 'pids']);
});

test('a worker runs a job there, and tells what held', async () => {
  await sh(vm, `echo '${JSON.stringify(JOB)}' >/tmp/job.json`);
  const { status, document } = await worker(vm, ['run', '/tmp/job.json']);
  expect(status).toBe(0);
  expect(document).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, rewardSafe: true });
  const { stdout, sandbox } = document as { stdout: { text: string }; sandbox: { layers: object[] } };
  expect(stdout.text).toMatch(/^6\.1\.0-\d+-cloud-amd64 42\n$/);
  expect(sandbox.layers).toContainEqual({ layer: 'landlock', value: '2' });
  expect(sandbox.layers).toContainEqual({ layer: 'cgroup-memory', value: 'v1' });
});

programsOf('v1', () => vm);
