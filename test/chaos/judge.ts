// From what clients saw, what the logs tell and what Redis keeps to a judgement of each job.

import type { Client } from './client.ts';
import type { Evidence } from './evidence.ts';
import { describeHistory, type JobHistory, type Violation, violationsOf } from './history.ts';

/** How many histories are shown. */
const SHOWN = 5;
const WIDTH = 50;

export interface Judgement {
  violations: Violation[];
  /** Of the first jobs with a violation, all that is known. */
  histories: string[];
  /** What is wrong with jobs and logs, a line each; empty when every promise holds. */
  wrong: string[];
}

/** Judges every job. `marksOf`: how often the code of a job left a mark; null for one that leaves none. */
export async function judgeAll(
  clients: readonly Client[],
  evidence: Evidence,
  marksOf: (id: string) => number | null = () => null,
): Promise<Judgement> {
  const { byUid, faults } = await evidence.readLogs();
  const histories: JobHistory[] = [];
  await inParallel(clients, async ({ plan, asked }) => {
    const { id, attempts } = plan.job;
    const kept = await evidence.readJob(id);
    const logged = kept === null ? [] : (byUid.get(kept.uid) ?? []);
    const marks = plan.leavesMarks ? marksOf(id) : null;
    histories.push({ id, attempts, asked, logged, stored: kept?.stored ?? null, marks });
  });
  const found = histories.map((history) => ({ history, violations: violationsOf(history) }));
  const bad = found.filter(({ violations }) => violations.length > 0);
  const wrong = [
    ...bad.flatMap(({ history, violations }) => violations.map((each) => `${history.id}: ${each.kind}: ${each.text}`)),
    ...clients.flatMap(({ plan, wrong: said }) => said.map((what) => `${plan.job.id}: not its own words: ${what}`)),
    ...faults,
  ];
  const shown = bad.slice(0, SHOWN).map(({ history }) => describeHistory(history));
  return { violations: bad.flatMap(({ violations }) => violations), histories: shown, wrong };
}

/** Does something for each, some at a time. */
export async function inParallel<T>(list: readonly T[], act: (each: T) => Promise<void>): Promise<void> {
  const left = list.values();
  const work = async () => {
    for (const each of left) await act(each);
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
}
