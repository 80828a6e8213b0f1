import { it } from 'vitest';
import { HostilePen } from './harness.ts';
import { expectRefused } from './refused.ts';

const pen = await HostilePen.ofFile();

it('F07 no mount call', () => expectRefused(pen, 'f07-mounts.py'));
