import type { AuditChain, Protocol } from '../protocol/index.ts';
import type { Admission } from './admission.ts';
import type { AuditRecords } from './audit-records.ts';
import type { Committer } from './commit-result.ts';
import type { Dispatcher } from './dispatch.ts';
import type { SandboxEngine } from './engine.ts';
import type { Executions } from './executions.ts';
import type { Log } from './log.ts';
import type { Seal } from './seal.ts';
import type { SelfFence } from './self-fence.ts';
import type { Watch } from './signals/watch.ts';

/** What the parts of one running worker share: made by `serve.ts`, closed by it. */
export interface Workplace {
  /** This worker's leased name. */
  readonly instance: string;
  readonly protocol: Protocol;
  /** Takes what is released. */
  readonly dispatcher: Dispatcher;
  readonly audit: AuditChain;
  readonly records: AuditRecords;
  /** Which documents may run: those that are signed, where this worker has a key. */
  readonly seal: Seal;
  readonly engine: SandboxEngine;
  readonly executions: Executions;
  /** Who may begin, by memory. */
  readonly admission: Admission;
  /** Bytes of memory that the job of a document may take. */
  needOf(document: Uint8Array): number;
  readonly fence: SelfFence;
  readonly committer: Committer;
  /** Hears of what happens to jobs here. */
  readonly watch: Watch;
  readonly log: Log;
  /** False from the first moment of a drain: nothing begins any more. */
  isServing(): boolean;
}
