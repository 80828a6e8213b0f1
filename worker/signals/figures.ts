// What happened on this worker, counted: stages of jobs, outcomes, commits. No label names a job, a tenant or anything else that a
// caller chooses, so the number of series is fixed.

import { Counter, Histogram, Registry } from 'prom-client';
import { OUTCOME_KINDS, type OutcomeKind, type Result } from '../../schemas/types.ts';
import type { Begun } from '../begin-job.ts';
import type { CommitAnswer } from '../commit-result.ts';
import type { AttemptWatcher, JobWatcher } from './watch.ts';

/** Stages of a job, in their order. `queue`: from acceptance to begin, by the clock of Redis. */
export const STAGES = ['queue', 'acquire', 'setup', 'build', 'run', 'collect', 'commit'] as const;

export type Stage = (typeof STAGES)[number];

/** How one try to commit ended; `unanswered`: Redis could not be asked, or did not take it. */
const TRIES = ['ok', 'already', 'fenced', 'unanswered'] as const satisfies readonly (CommitAnswer | 'unanswered')[];

/** From what a warm set-up takes to half an hour. Seconds. */
const BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
];

/** The counters and histograms of one worker, in a registry of their own. */
export class Figures implements JobWatcher {
  readonly registry = new Registry();
  readonly #stages: Histogram<'stage'>;
  readonly #outcomes: Counter<'outcome'>;
  readonly #commits: Counter<'answer'>;
  readonly #handedBack: Counter;

  constructor() {
    const registers = [this.registry];
    this.#stages = new Histogram({
      name: 'bullpen_job_stage_seconds',
      help: 'Time per stage of attempts: queue (from acceptance to begin) and commit of all, the others of those whose program began',
      labelNames: ['stage'],
      buckets: BUCKETS,
      registers,
    });
    this.#outcomes = new Counter({
      name: 'bullpen_jobs_total',
      help: 'Jobs whose one result this worker committed, by the kind of their outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.#commits = new Counter({
      name: 'bullpen_commits_total',
      help: 'Tries to commit by their answer: ok, already (final before), fenced (the epoch is no longer ours), unanswered',
      labelNames: ['answer'],
      registers,
    });
    this.#handedBack = new Counter({
      name: 'bullpen_attempts_handed_back_total',
      help: 'Attempts that began here and went back to the queue to begin again',
      registers,
    });
    for (const stage of STAGES) this.#stages.zero({ stage });
    for (const outcome of OUTCOME_KINDS) this.#outcomes.inc({ outcome }, 0);
    for (const answer of TRIES) this.#commits.inc({ answer }, 0);
  }

  begun({ queuedUs }: Begun): AttemptWatcher {
    this.#stages.observe({ stage: 'queue' }, queuedUs / 1e6);
    let ranAt = performance.now();
    return {
      ran: (result) => {
        this.#ran(result);
        ranAt = performance.now();
      },
      committed: () => this.#stages.observe({ stage: 'commit' }, (performance.now() - ranAt) / 1000),
      handedBack: () => this.#handedBack.inc(),
    };
  }

  tried(answer: CommitAnswer | 'unanswered'): void {
    this.#commits.inc({ answer });
  }

  final(outcome: OutcomeKind): void {
    this.#outcomes.inc({ outcome });
  }

  /** The stages count if the program began: a refusal took no time worth telling. */
  #ran({ timing, sandbox }: Result): void {
    if (timing === undefined || sandbox === undefined) return;
    const { acquireUs, setupUs, buildUs, runUs, collectUs } = timing;
    const times = { acquire: acquireUs, setup: setupUs, build: buildUs, run: runUs, collect: collectUs };
    for (const [stage, us] of Object.entries(times)) {
      if (us !== undefined) this.#stages.observe({ stage: stage as Stage }, us / 1e6);
    }
  }
}
