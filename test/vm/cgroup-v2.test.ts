// Debian 12 as it boots: kernel 6.1, cgroup v2 alone.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Vm } from '../../ops/vm/vm.ts';
import { bootGuest, expectToPass, sh, worker } from './guest.ts';
import { PROGRAMS } from './programs.ts';

const LANDLOCK_ABI = 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))';
const JOB = { kind: 'job', version: 1, runtime: 'python', source: 'print(6 * 7)' };
const LIMITS = ['cgroup-memory', 'cgroup-pids', 'cgroup-cpu'];

interface Result {
  sandbox: { layers: { layer: string; value: string | null }[] };
}

let vm: Vm;
beforeAll(async () => {
  vm = await bootGuest('v2');
});
afterAll(() => vm?.close());

test('the kernel is that of Debian 12, another one than ours may be', async () => {
  expect(await sh(vm, 'uname -r')).toMatch(/^6\.1\.0-\d+-cloud-amd64$/);
});

test('control groups are v2 alone, with the controllers that a job needs', async () => {
  expect(await sh(vm, 'findmnt -n -t cgroup,cgroup2 -o TARGET,FSTYPE')).toBe('/sys/fs/cgroup cgroup2');
  expect((await sh(vm, 'cat /sys/fs/cgroup/cgroup.subtree_control')).split(' ').sort()).toEqual([
    'cpu',
    'memory',
    'pids',
  ]);
  expect(await sh(vm, 'cat /proc/self/cgroup')).toBe('0::/');
});

test('Landlock is there in its second version', async () => {
  expect(await sh(vm, `python3 -c '${LANDLOCK_ABI}'`)).toBe('2');
});

test('its clock runs like ours', async () => {
  const [before, begun] = [Number(await sh(vm, 'date +%s%N')), performance.now()];
  await sh(vm, 'sleep 2');
  const [after, ended] = [Number(await sh(vm, 'date +%s%N')), performance.now()];
  // Ours includes what it takes to ask.
  expect((after - before) / 1e6 / (ended - begun)).toBeGreaterThan(0.7);
  expect((after - before) / 1e6 / (ended - begun)).toBeLessThan(1.3);
});

test('what the tests stand on can be read only', async () => {
  const { status, stderr } = await vm.run({ argv: ['touch', '/usr/x', '/opt/bullpen/x'] });
  expect(status).toBe(1);
  expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
});

test('a command that takes too long is killed, and the next one runs', async () => {
  const { timedOut, signal, stdout } = await vm.run({ argv: ['sh', '-c', 'echo begun; sleep 60'], timeoutMs: 500 });
  expect({ timedOut, signal, stdout }).toEqual({ timedOut: true, signal: 9, stdout: 'begun\n' });
  expect(await sh(vm, 'echo next')).toBe('next');
  await expect(vm.run({ argv: ['no-such-program'] })).rejects.toThrow(/not started in the VM: FileNotFoundError/);
});

test('a machine that dies is no hung one: it is not tried again, and its last words are told', async () => {
  const broken = { ...vm.images, kernel: vm.images.tscKhz };
  await expect(Vm.boot(broken, { cgroups: 'v2', lifetimeMs: 60_000 })).rejects.toThrow(
    /ended without an answer\nqemu.*kernel/,
  );
});

test('an unprivileged user has a part of the cgroup tree and user namespaces', async () => {
  const script = `
    cat /proc/self/cgroup
    echo +memory >/sys/fs/cgroup/delegated/cgroup.subtree_control
    mkdir /sys/fs/cgroup/delegated/part
    echo 1000000 >/sys/fs/cgroup/delegated/part/memory.max
    rmdir /sys/fs/cgroup/delegated/part
    unshare --user --map-root-user id -u`;
  expect(await sh(vm, script, 'rootless')).toBe('0::/delegated/session\n0');
  const { status } = await vm.run({ argv: ['mkdir', '/sys/fs/cgroup/other'], user: 'rootless' });
  expect(status).toBe(1);
});

test('the static forkserver starts, and says what it is for', async () => {
  const { status, stderr } = await vm.run({ argv: ['/opt/bullpen/native/bin/bullpen-forkserver'] });
  expect(status).toBe(1);
  expect(stderr).toContain('this program is started by bullpen-worker');
});

test('every layer holds for a worker that is root', async () => {
  const { document } = await worker(vm, ['check']);
  const { layers } = document as { layers: { layer: string; held: boolean; value: string | null }[] };
  expect(layers.filter(({ held }) => !held)).toEqual([]);
  for (const layer of LIMITS) expect(layers).toContainEqual(expect.objectContaining({ layer, value: 'v2' }));
});

test('its job runs, and the result tells what held', async () => {
  await sh(vm, `echo '${JSON.stringify(JOB)}' >/tmp/job.json`);
  const { status, document } = await worker(vm, ['run', '/tmp/job.json']);
  expect(status).toBe(0);
  expect(document).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, stdout: { text: '42\n' } });
  const { sandbox } = document as Result;
  for (const layer of LIMITS) expect(sandbox.layers).toContainEqual({ layer, value: 'v2' });
});

test('memory above the limit ends a job by the name of the limit', async () => {
  const hungry = { ...JOB, source: 'x = "a" * (64 << 20)', policy: { version: 1, limits: { memoryBytes: 32 << 20 } } };
  await sh(vm, `echo '${JSON.stringify(hungry)}' >/tmp/hungry.json`);
  expect((await worker(vm, ['run', '/tmp/hungry.json'])).document).toMatchObject({
    outcome: { kind: 'memory-exceeded', phase: 'run' },
  });
});

test('an ordinary user is refused for want of a uid of each sandbox', async () => {
  await sh(vm, `echo '${JSON.stringify({ version: 1, runDir: '/tmp/bullpen-rootless' })}' >/tmp/rootless.json`);
  const args = ['run', '/tmp/job.json', '--config', '/tmp/rootless.json'];
  const { status, document } = await worker(vm, args, 'rootless');
  expect(status).toBe(3);
  expect(document).toMatchObject({ outcome: { kind: 'unavailable', layer: 'uid' } });
});

test('where the operator accepts one for all, the job runs, and the result says so', async () => {
  const substitutes = [{ layer: 'uid', by: 'shared' }];
  const config = { version: 1, runDir: '/tmp/bullpen-rootless', substitutes };
  await sh(vm, `echo '${JSON.stringify(config)}' >/tmp/rootless.json`);
  const args = ['--config', '/tmp/rootless.json'];
  const { status, document } = await worker(vm, ['run', '/tmp/job.json', ...args], 'rootless');
  expect(status).toBe(0);
  expect(document).toMatchObject({ outcome: { kind: 'exited', exitCode: 0 }, stdout: { text: '42\n' } });
  const { sandbox } = document as Result;
  expect(sandbox.layers).toContainEqual({ layer: 'uid', value: 'shared' });
  for (const layer of LIMITS) expect(sandbox.layers).toContainEqual({ layer, value: 'v2' });

  const strict = { ...JOB, policy: { version: 1, require: ['uid'] } };
  await sh(vm, `echo '${JSON.stringify(strict)}' >/tmp/strict.json`);
  expect((await worker(vm, ['run', '/tmp/strict.json', ...args], 'rootless')).document).toMatchObject({
    outcome: { kind: 'unavailable', layer: 'uid' },
  });
});

test('nothing is left in the cgroup tree', async () => {
  expect(await sh(vm, 'find /sys/fs/cgroup -name bullpen')).toBe('');
});

test.each(PROGRAMS.filter(({ on }) => on.includes('v2')))('$program', (program) => expectToPass(vm, program));
