import { it } from 'vitest';
import { expectToGoOnAfter } from './idle.ts';

it('a worker that was idle consumes again after Redis was away for 40 s', () => expectToGoOnAfter(40_000), 150_000);
