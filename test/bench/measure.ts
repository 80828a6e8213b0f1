// Closed loops, interleaved: every subject once per round, so that a machine that slows down slows all of them.

import type { Run, Subject, Workload } from './subjects.ts';

export interface Cell {
  workload: string;
  subject: string;
  inFlight: number;
  /** Milliseconds, over all rounds. */
  p50: number;
  p95: number;
  p99: number;
  /** Median over the rounds, and its range. */
  jobsPerSecond: number;
  jobsPerSecondRange: [number, number];
  jobs: number;
  /** Medians in µs of what the results report of themselves. */
  stagesUs?: Record<string, number>;
}

interface Samples {
  latencies: number[];
  rates: number[];
  stages: Record<string, number[]>;
}

export interface MeasureOptions {
  rounds: number;
  jobsPerRound: number;
  inFlight: number;
}

/** Runs `jobsPerRound` of a workload on every subject in turn, `rounds` times, after one round that warms up. */
export async function measure(workload: Workload, subjects: Subject[], o: MeasureOptions): Promise<Cell[]> {
  const samples = new Map(subjects.map((subject) => [subject, { latencies: [], rates: [], stages: {} } as Samples]));
  for (let round = -1; round < o.rounds; round += 1) {
    for (const subject of subjects) {
      const into = round < 0 ? { latencies: [], rates: [], stages: {} } : samples.get(subject);
      if (into) await loop(workload, subject, o, into);
    }
  }
  return subjects.map((subject) => cellOf(workload, subject, o, samples.get(subject) as Samples));
}

async function loop(workload: Workload, subject: Subject, o: MeasureOptions, into: Samples): Promise<void> {
  let left = o.jobsPerRound;
  const begun = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const start = performance.now();
      const run = await subject.run(workload.argv);
      into.latencies.push(performance.now() - start);
      check(workload, subject, run);
      noteStages(run, into.stages);
    }
  };
  await Promise.all(Array.from({ length: o.inFlight }, lane));
  into.rates.push((o.jobsPerRound * 1000) / (performance.now() - begun));
}

/** A job that did not do its work is not a fast job. */
function check(workload: Workload, subject: Subject, run: Run): void {
  if (run.exitCode === 0 && run.stdout === workload.stdout) return;
  const said = run.result ? JSON.stringify(run.result.outcome) : `exit ${run.exitCode}`;
  throw new Error(`${workload.id} on ${subject.name}: ${said}, stdout ${JSON.stringify(run.stdout.slice(0, 80))}`);
}

function noteStages(run: Run, stages: Record<string, number[]>): void {
  for (const [stage, us] of Object.entries(run.result?.timing ?? {})) {
    stages[stage] ??= [];
    stages[stage].push(us as number);
  }
}

function cellOf(workload: Workload, subject: Subject, o: MeasureOptions, samples: Samples): Cell {
  const sorted = samples.latencies.toSorted((a, b) => a - b);
  const rates = samples.rates.toSorted((a, b) => a - b);
  const stages = Object.entries(samples.stages).map(([name, us]) => [
    name,
    Math.round(
      quantile(
        us.toSorted((a, b) => a - b),
        0.5,
      ),
    ),
  ]);
  return {
    workload: workload.id,
    subject: subject.name,
    inFlight: o.inFlight,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    jobsPerSecond: quantile(rates, 0.5),
    jobsPerSecondRange: [rates[0] ?? 0, rates.at(-1) ?? 0],
    jobs: samples.latencies.length,
    ...(stages.length > 0 ? { stagesUs: Object.fromEntries(stages) as Record<string, number> } : {}),
  };
}

/** The q-quantile of sorted values, by the nearest rank. */
export function quantile(sorted: number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? 0;
}
