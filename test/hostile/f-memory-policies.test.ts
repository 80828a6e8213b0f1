import { it } from 'vitest';
import { HostilePen } from './harness.ts';
import { expectRefused } from './refused.ts';

const pen = await HostilePen.ofFile();

it('F15 memory policies and watchers', () => expectRefused(pen, 'f15-memory-policies.py'));
