// cgroup v2 alone, on kernel 6.1: what leaves limit, count and kill, and that the kernel forgets them.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Vm } from '../../ops/vm/vm.ts';
import { bootGuest, programsOf, sh } from './guest.ts';

let vm: Vm;
beforeAll(async () => {
  vm = await bootGuest('v2');
});
afterAll(() => vm?.close());

programsOf('v2-cgroups', () => vm);

test('nothing is left in the cgroup tree', async () => {
  expect(await sh(vm, 'find /sys/fs/cgroup -name bullpen')).toBe('');
});
