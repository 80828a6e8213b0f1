// A worker that is an ordinary user where cgroup v2 is alone: in a part that was delegated to them, in none, and with what an operator
// accepts.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Vm } from '../../ops/vm/vm.ts';
import { expectKept, expectRefused, LIMITS } from '../helpers/limits.ts';
import { bootGuest, jobs, programsOf } from './guest.ts';

const PLAIN = { kind: 'job', version: 1, runtime: 'bash', source: 'echo ran' };
const SHARED = { layer: 'uid', by: 'shared' };
const SUBSTITUTES = [
  SHARED,
  { layer: 'cgroup-memory', by: 'polling' },
  { layer: 'cgroup-pids', by: 'rlimit' },
  { layer: 'cgroup-cpu', by: 'polling' },
];
const all = LIMITS.map(({ job }) => job);
/** Where nothing is the user's to make groups in. */
const NONE = '/sys/fs/cgroup';

let vm: Vm;
beforeAll(async () => {
  vm = await bootGuest('v2');
});
afterAll(() => vm?.close());

test('a job is refused for want of an id of its own', async () => {
  const [result] = await jobs(vm, [PLAIN], { user: 'rootless' });
  expectRefused(result, 'uid');
});

test('in a delegated part every limit is kept, and the result tells of the shared id', async () => {
  const strict = { ...PLAIN, policy: { version: 1, require: ['uid'] } };
  const results = await jobs(vm, [...all, strict], { user: 'rootless', config: { substitutes: [SHARED] } });
  for (const [index, one] of LIMITS.entries()) {
    expectKept(one, results[index], 'v2');
    expect(results[index]?.sandbox?.layers).toContainEqual({ layer: 'uid', value: 'shared' });
  }
  expectRefused(results.at(-1), 'uid');
});

test('without one no job starts', async () => {
  const results = await jobs(vm, all, { user: 'rootless', cgroup: NONE, config: { substitutes: [SHARED] } });
  for (const result of results) expectRefused(result, 'cgroup-memory');
  expect(results).toHaveLength(LIMITS.length);
});

test('with what stands in for it every limit is kept as far as that goes', async () => {
  const results = await jobs(vm, all, { user: 'rootless', cgroup: NONE, config: { substitutes: SUBSTITUTES } });
  for (const [index, one] of LIMITS.entries()) expectKept(one, results[index], 'substitutes');
});

programsOf('v2-user', () => vm);
