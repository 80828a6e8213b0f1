// The only place that knows how Redis is laid out. Producers and workers use what is exported here, nothing below.

export type * from './answers.ts';
export { BULL_QUEUE_NAME, bullPrefix, type Keys, keysOf } from './keys.ts';
export { isUid, newUid } from './uid.ts';
