import { it } from 'vitest';
import { expectToGoOnAfter } from './idle.ts';

it('a worker that was idle consumes again after Redis was away for 12 s', () => expectToGoOnAfter(12_000), 150_000);
