// What is wrong with an audit log, before it is said in which file that was read.

import type { AuditFault } from '../schemas/types.ts';

export type Finding = Omit<AuditFault, 'file' | 'line'>;
