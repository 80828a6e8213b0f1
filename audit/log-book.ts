// All logs of a queue side by side: a walk for each, and the order of the jobs across them.

import type { AuditFault } from '../schemas/types.ts';
import type { FiledCheckpoint } from './checkpoint-files.ts';
import { type ExportedRecord, type LogHead, sortHeads } from './export-format.ts';
import type { Finding } from './fault.ts';
import { JobOrder } from './job-order.ts';
import { LogWalk, type Step } from './log-walk.ts';

/** Where something was read. */
export interface Source {
  readonly file: string | null;
  readonly line: number | null;
}

/** A log for each worker instance, which are used again: more are no queue's. */
const LOGS_MAX = 10_000;
const MESSAGE_MAX = 1_000;
const NOWHERE: Source = { file: null, line: null };

export class LogBook {
  readonly #checkpoints: readonly FiledCheckpoint[];
  readonly #mayBeTrimmed: boolean;
  readonly #walks = new Map<string, LogWalk>();
  readonly #faults: AuditFault[] = [];
  readonly #jobs = new JobOrder();
  #queue: string | null = null;
  #isTrimmed = false;
  #ordered = true;
  #isFull = false;

  constructor(checkpoints: readonly FiledCheckpoint[], mayBeTrimmed: boolean) {
    this.#checkpoints = checkpoints;
    this.#mayBeTrimmed = mayBeTrimmed;
  }

  get queue(): string | null {
    return this.#queue;
  }

  /** The walks of all logs that were seen, by name. */
  get walks(): LogWalk[] {
    return [...this.#walks.values()].sort((one, other) => (one.log < other.log ? -1 : 1));
  }

  /** Where each log ends by now. */
  get heads(): LogHead[] {
    return sortHeads(this.walks.map(({ head }) => head).filter(({ seq }) => seq > 0));
  }

  get hasFaults(): boolean {
    return this.#faults.length > 0;
  }

  /** An export of this queue begins, after these heads. Says what doesn't fit what was read so far. */
  begin(queue: string, after: readonly LogHead[]): string | null {
    if (this.#queue === null) {
      this.#queue = queue;
      const isKnown = this.#checkpoints.length === 0 || this.#checkpoints.some((one) => one.queue === queue);
      if (!isKnown) return `it is of the queue ${queue}, of which there is no checkpoint`;
      return after.map((head) => this.#beginAt(head)).find((wrong) => wrong !== null) ?? null;
    }
    if (queue !== this.#queue) return `it is of the queue ${queue}, the one before of ${this.#queue}`;
    const goesOn = this.hasFaults || JSON.stringify(sortHeads(after)) === JSON.stringify(this.heads);
    return goesOn ? null : 'it does not go on where the export before it ends';
  }

  /** Takes a record. After its first fault a log is no longer read. */
  take(record: ExportedRecord, source: Source): void {
    const isOneTooMany = !this.#walks.has(record.log) && this.#walks.size >= LOGS_MAX;
    if (isOneTooMany) this.#refuseLog(source);
    const walk = isOneTooMany ? null : this.#walk(record.log);
    if (walk === null || walk.finding !== null) return;
    const step = walk.take(record);
    const finding = 'finding' in step ? step.finding : this.#order(step);
    if (finding !== null) this.#note(finding, source);
  }

  /** Everything has been read: what is not there? Returns all faults of records. */
  end(isWhole: boolean): AuditFault[] {
    for (const { queue, log } of this.#checkpoints) if (this.#queue === null || queue === this.#queue) this.#walk(log);
    // What is missing from a part says nothing of the whole.
    for (const walk of isWhole ? this.walks : []) {
      const wasFound = walk.finding !== null;
      const finding = walk.end();
      if (finding !== null && !wasFound) this.#note(finding, NOWHERE);
    }
    const finding = this.hasFaults || !isWhole || this.#isTrimmed ? null : this.#jobs.end();
    if (finding !== null) this.#note(finding, NOWHERE);
    return this.#faults;
  }

  #beginAt({ log, seq, sha256 }: LogHead): string | null {
    const start = this.#checkpointsOf(log).find(({ size }) => size === seq);
    if (!this.#mayBeTrimmed) return `records 1 to ${seq} of ${log} are not in it: give the earlier exports too`;
    if (start === undefined) return `${log} begins after record ${seq}, for which there is no checkpoint`;
    if (start.head !== sha256) return `${log} begins after another record ${seq} than the one that was signed`;
    this.#isTrimmed = true;
    this.#walks.set(log, new LogWalk(log, this.#checkpointsOf(log), start));
    return null;
  }

  #refuseLog(source: Source): void {
    const message = `there are more than ${LOGS_MAX} logs`;
    if (!this.#isFull) this.#note({ rule: 'export', message, log: null, seq: null }, source);
    this.#isFull = true;
  }

  /** Only the first fault of the order is told: what follows from it would be told of other jobs. */
  #order({ record, verdict }: Exclude<Step, { finding: Finding }>): Finding | null {
    const finding = this.#ordered ? this.#jobs.take(record, verdict) : null;
    this.#ordered = finding === null && this.#ordered;
    return finding;
  }

  #walk(log: string): LogWalk {
    const known = this.#walks.get(log) ?? new LogWalk(log, this.#checkpointsOf(log));
    this.#walks.set(log, known);
    return known;
  }

  #checkpointsOf(log: string): FiledCheckpoint[] {
    return this.#checkpoints.filter((one) => one.queue === this.#queue && one.log === log);
  }

  #note(finding: Finding, source: Source): void {
    this.#faults.push({ ...finding, message: finding.message.slice(0, MESSAGE_MAX), ...source });
  }
}
