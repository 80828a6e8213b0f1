// What must be true of every job, whatever happened: pure functions on a history.

import { auditHash, NO_HASH } from '../../protocol/index.ts';
import type { AuditRecord } from '../../schemas/types.ts';

/**
 * What a client asked of the queue, as it saw it: an operation begins with `invoke` and ends with `ok`, `no` (refused: it changed
 * nothing) or `info` (no answer: it may have happened, now or later). `at` is this process's monotonic clock, in milliseconds.
 */
export interface Asked {
  from: 'client';
  at: number;
  what: 'submit' | 'cancel' | 'read';
  phase: 'invoke' | 'ok' | 'no' | 'info';
  /** Of a read that is ok. */
  seen?: Seen;
  /** Of a cancel that is ok. */
  answer?: 'requested' | 'already-final';
}

/** A result as somebody read it. */
export interface Seen {
  /** A hash of all that was read: two reads that differ in anything differ in it. */
  digest: string;
  epoch: number;
  outcome: string;
}

/** What a worker's audit log says of the job, with the verdict of the script that stored it. `at` is the worker's clock. */
export interface Logged {
  from: 'log';
  at: string;
  log: string;
  seq: number;
  event: 'accepted' | 'started' | 'finished';
  epoch: number;
  verdict: string;
  /** Of a `finished`. */
  resultSha256?: string;
}

/** What Redis holds of the job in the end: the hash of its result, and how often it was begun. */
export interface Stored {
  resultSha256: string | null;
  resultEpoch: number | null;
  epoch: number;
}

/** All that is known of one job. */
export interface JobHistory {
  id: string;
  /** How often its code may begin. */
  attempts: number;
  asked: Asked[];
  logged: Logged[];
  /** Null when Redis knows no such job. */
  stored: Stored | null;
  /** How often its code left a mark outside of the sandbox; null when it leaves none. */
  marks: number | null;
}

/** Which promise is broken, in one word, and how. */
export interface Violation {
  promise: 'P1' | 'P2' | 'P5';
  kind: 'lost' | 'doubled' | 'changed' | 'begun-twice' | 'fenced-visible' | 'forged' | 'order';
  text: string;
}

/** A record as it lies in a log. */
export interface Link {
  seq: number;
  sha256: string;
  bytes: Uint8Array;
}

/** What is wrong with a job's history; empty when every promise holds. */
export function violationsOf(job: JobHistory): Violation[] {
  return [...findLost(job), ...findDoubled(job), ...findChanged(job), ...findBegunTwice(job), ...findDisorder(job)];
}

/** What is wrong with the chain of one log: each record follows the one before, and the head is the last. */
export function chainFaultsOf(log: string, links: readonly Link[], head: { seq: number; sha256: string }): string[] {
  const faults: string[] = [];
  let [seq, prev] = [0, NO_HASH];
  for (const link of links) {
    const record = JSON.parse(Buffer.from(link.bytes).toString()) as AuditRecord;
    if (record.log !== log) faults.push(`${log}: ${link.seq} is of ${record.log}`);
    if (record.seq !== seq + 1 || record.seq !== link.seq) faults.push(`${log}: ${link.seq} follows ${seq}`);
    if (record.prev !== prev) faults.push(`${log}: ${link.seq} does not name the record before`);
    if (auditHash(link.bytes) !== link.sha256) faults.push(`${log}: ${link.seq} is not what was hashed`);
    [seq, prev] = [link.seq, link.sha256];
  }
  if (head.seq !== seq || head.sha256 !== prev) faults.push(`${log}: its head is ${head.seq}, its last record ${seq}`);
  return faults;
}

/** Everything that is known of a job, a line each, for a person. */
export function describeHistory({ id, attempts, asked, logged, stored, marks }: JobHistory): string {
  const lines = [
    ...asked.map(
      ({ at, what, phase, seen, answer }) =>
        `${at.toFixed(0).padStart(8)} ms  client ${what} ${phase} ${show(seen ?? answer)}`,
    ),
    ...logged.map(({ from: _from, ...record }) => `  ${show(record)}`),
    `  stored ${show(stored)}`,
    `  marks ${marks}`,
  ];
  return [`job ${id}, attempts ${attempts}`, ...lines].join('\n');
}

function show(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value);
}

/** P1: whoever was told of an acceptance gets a result. What was never answered may have been accepted, or not. */
function findLost({ asked, logged, stored }: JobHistory): Violation[] {
  const isAccepted = asked.some(({ what, phase }) => what === 'submit' && phase === 'ok');
  const isThere = isAccepted || stored !== null || logged.length > 0;
  if (!isThere || stored?.resultSha256 != null) return [];
  return [
    {
      promise: 'P1',
      kind: 'lost',
      text: isAccepted ? 'accepted, and it has no result' : 'begun, and it has no result',
    },
  ];
}

/** P1: one commit counted, it is that of the result, and none of an earlier epoch came after a later one began. */
function findDoubled({ logged, stored }: JobHistory): Violation[] {
  if (stored === null) return [];
  const counted = logged.filter(({ event, verdict }) => event === 'finished' && verdict === 'ok');
  const fenced = logged.filter(({ event, verdict }) => event === 'finished' && verdict === 'fenced');
  const found: Violation[] = [];
  const tell = (kind: Violation['kind'], text: string) => found.push({ promise: 'P1', kind, text });
  if (counted.length > 1) tell('doubled', `${counted.length} commits counted`);
  if (stored.resultSha256 === null) return found;
  if (counted.length === 0) tell('forged', 'a result that no log tells of');
  else if (!counted.some(({ resultSha256 }) => resultSha256 === stored.resultSha256)) {
    tell('forged', 'the result is not the one in the log');
  }
  if (fenced.some(({ resultSha256 }) => resultSha256 === stored.resultSha256)) {
    tell('fenced-visible', 'the result is one that was fenced');
  }
  if (stored.resultEpoch !== null && stored.resultEpoch !== stored.epoch) {
    tell('fenced-visible', `the result is of epoch ${stored.resultEpoch}, the job at ${stored.epoch}`);
  }
  return found;
}

/** P1: whoever read a result reads the same one for ever. */
function findChanged({ asked }: JobHistory): Violation[] {
  const reads = asked.filter(({ what, phase }) => what === 'read' && phase === 'ok');
  const distinct = new Set(reads.map(({ seen }) => seen?.digest));
  if (distinct.size <= 1) return [];
  return [{ promise: 'P1', kind: 'changed', text: `${reads.length} reads, ${distinct.size} different results` }];
}

/** P2: by the logs, by the epoch, and by what the code itself left behind. */
function findBegunTwice({ attempts, logged, stored, marks }: JobHistory): Violation[] {
  const begun = logged.filter(({ event, verdict }) => event === 'started' && verdict === 'run');
  const epochs = new Set(begun.map(({ epoch }) => epoch));
  const found: Violation[] = [];
  const tell = (text: string) => found.push({ promise: 'P2', kind: 'begun-twice', text });
  if (begun.length > attempts) tell(`begun ${begun.length} times, of ${attempts}`);
  if (epochs.size !== begun.length) tell(`begun ${begun.length} times in ${epochs.size} epochs`);
  if (marks !== null && marks > Math.min(attempts, stored?.epoch ?? 0)) {
    tell(`its code began ${marks} times, of ${attempts}, in epoch ${stored?.epoch ?? 0}`);
  }
  if (stored !== null && stored.epoch !== begun.length)
    tell(`begun ${begun.length} times, but its epoch is ${stored.epoch}`);
  return found;
}

/** P5: accepted < started < finished. Several workers may each tell of an acceptance that they found: the earliest counts. */
function findDisorder({ logged, stored }: JobHistory): Violation[] {
  if (stored === null) return [];
  const first = (event: Logged['event'], verdict?: string) =>
    logged
      .filter((record) => record.event === event && (verdict === undefined || record.verdict === verdict))
      .toSorted(compareTold)[0];
  const [accepted, started, finished] = [first('accepted'), first('started', 'run'), first('finished', 'ok')];
  const found: Violation[] = [];
  const tell = (text: string) => found.push({ promise: 'P5', kind: 'order', text });
  if (accepted === undefined) tell('no log tells of its acceptance');
  if (isBefore(started, accepted)) tell('started before accepted');
  if (isBefore(finished, accepted)) tell('finished before accepted');
  if (isBefore(finished, started)) tell('finished before started');
  return found;
}

/** Within one log its order counts, between two the clocks of their writers. */
function compareTold(one: Logged, other: Logged): number {
  return one.log === other.log ? one.seq - other.seq : one.at.localeCompare(other.at);
}

function isBefore(one: Logged | undefined, other: Logged | undefined): boolean {
  return one !== undefined && other !== undefined && compareTold(one, other) < 0;
}
