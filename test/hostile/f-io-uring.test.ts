import { it } from 'vitest';
import { HostilePen } from './harness.ts';
import { expectRefused } from './refused.ts';

const pen = await HostilePen.ofFile();

it('F04 io_uring', () => expectRefused(pen, 'f04-io-uring.py', 'root'));
