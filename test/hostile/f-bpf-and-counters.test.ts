import { it } from 'vitest';
import { HostilePen } from './harness.ts';
import { expectRefused } from './refused.ts';

const pen = await HostilePen.ofFile();

it('F01 bpf', () => expectRefused(pen, 'f01-bpf.py', 'root'));

it('F02 perf events', () => expectRefused(pen, 'f02-perf-events.py', 'root'));
