import { it } from 'vitest';
import { HostilePen } from './harness.ts';
import { expectRefused } from './refused.ts';

const pen = await HostilePen.ofFile();

it('F10 administration and relics', () => expectRefused(pen, 'f10-relics.py'));
