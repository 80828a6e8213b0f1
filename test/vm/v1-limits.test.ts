// Limits of a single job on cgroups as older systems mount them, on kernel 6.1.

import { afterAll, beforeAll } from 'vitest';
import type { Vm } from '../../ops/vm/vm.ts';
import { bootGuest, programsOf } from './guest.ts';

let vm: Vm;
beforeAll(async () => {
  vm = await bootGuest('v1');
});
afterAll(() => vm?.close());

programsOf('v1-limits', () => vm);
