/** The built addon, as its typings say it is. */
import { createRequire } from 'node:module';
import type * as Addon from '../../native/node/index.d.ts';

export const addon = createRequire(import.meta.url)('../../native/bin/bullpen.node') as typeof Addon;
