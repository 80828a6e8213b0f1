import { expect, it } from 'vitest';
import { HostilePen, onHost } from './harness.ts';

const pen = await HostilePen.ofFile();

/** ptrace, mount, bpf, io_uring_setup, unshare, setns, keyctl, perf_event_open, userfaultfd */
const NAMED = [101, 165, 321, 425, 272, 308, 250, 298, 323];
const [NEWEST, ASKED] = [468, 600];

it('F18 of all calls few are more than refused', async () => {
  const outside = (await onHost('root-apart', 'f18-all-calls.py'))['refused'] as number[];
  const limits = { wallTimeMs: 30_000, cpuTimeMs: 30_000 };
  const refused = (await pen.ask('f18-all-calls.py', {}, { limits }))['refused'] as number[];
  for (const number of NAMED) {
    expect(outside).not.toContain(number);
    expect(refused).toContain(number);
  }
  expect(refused.filter((number) => number >= NEWEST)).toHaveLength(ASKED - NEWEST);
  expect(ASKED - refused.length).toBeLessThan(290);
});
