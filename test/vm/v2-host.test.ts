// Debian 12 as it boots, kernel 6.1 and cgroup v2 alone: what kind of host it is, and what of the forkserver and its Landlock, in the
// kernel's second version, and of the filters holds there.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Vm } from '../../ops/vm/vm.ts';
import { bootGuest, programsOf, sh } from './guest.ts';

const LANDLOCK_ABI = 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))';

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

programsOf('v2-host', () => vm);
