// `npm run bench -- first`: W1 and W2 through the sandbox alone and through queue and worker, beside plain spawn and bubblewrap.

import { describeMachine, load } from './machine.ts';
import { type Cell, measure } from './measure.ts';
import { proveConfinement } from './proof.ts';
import { bubblewrap, plainSpawn, QueueSubject, SandboxSubject, type Subject, WORKLOADS } from './subjects.ts';

export interface BenchOptions {
  rounds: number;
  jobsPerRound: number;
}

/** Measures, and returns the document that is written to `results/first.json`. */
export async function benchFirst(o: BenchOptions): Promise<Record<string, unknown>> {
  const loadBefore = load();
  const subjects: Subject[] = [plainSpawn, bubblewrap];
  try {
    subjects.push(await SandboxSubject.open('none'), await SandboxSubject.open('prepared'), await QueueSubject.open());
    const proofs = await proveConfinement(subjects);
    const cells: Cell[] = [];
    for (const inFlight of [1, 2]) {
      for (const workload of WORKLOADS) cells.push(...(await measure(workload, subjects, { ...o, inFlight })));
    }
    const command = `npm run bench -- first --rounds ${o.rounds} --jobs ${o.jobsPerRound}`;
    return {
      command,
      at: new Date().toISOString(),
      machine: describeMachine(),
      loadBefore,
      loadAfter: load(),
      ...o,
      proofs,
      cells,
      ratios: ratios(cells),
    };
  } finally {
    for (const subject of subjects) await subject.close();
  }
}

/** Each cell against plain spawn and bubblewrap of the same workload: latency below 1 and rate above 1 are better than theirs. */
function ratios(cells: Cell[]): Record<string, unknown>[] {
  return cells.flatMap((cell) =>
    ['spawn', 'bubblewrap'].flatMap((peer) => {
      const other = cells.find(
        (c) => c.subject === peer && c.workload === cell.workload && c.inFlight === cell.inFlight,
      );
      if (!other || peer === cell.subject) return [];
      const [p50, rate] = [cell.p50 / other.p50, cell.jobsPerSecond / other.jobsPerSecond].map((r) =>
        Number(r.toFixed(2)),
      );
      return [{ workload: cell.workload, inFlight: cell.inFlight, subject: cell.subject, against: peer, p50, rate }];
    }),
  );
}

/** The cells as a table for people. */
export function tableOf(document: Record<string, unknown>): string {
  const rows = (document.cells as Cell[]).map((cell) =>
    [
      cell.workload,
      cell.subject,
      cell.inFlight,
      cell.p50.toFixed(2),
      cell.p95.toFixed(2),
      cell.p99.toFixed(2),
      cell.jobsPerSecond.toFixed(0),
    ].map(String),
  );
  const head = ['load', 'subject', 'in flight', 'p50 ms', 'p95 ms', 'p99 ms', 'jobs/s'];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  return [head, ...rows]
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .join('\n');
}
