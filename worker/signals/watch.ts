// Who watches the jobs of this worker: figures where there is a listener, spans where tracing is on, and usually nobody. Neither is
// loaded before it is wanted.

import type { OutcomeKind, Result } from '../../schemas/types.ts';
import type { Begun } from '../begin-job.ts';
import type { CommitAnswer, Committed } from '../commit-result.ts';

/** Hears of one begun attempt: `ran`, unless it never got there, then one of the two ends. Throws nothing. */
export interface AttemptWatcher {
  /** Its result is there. */
  ran(result: Result): void;
  /** Its result is committed, or this worker is done trying. */
  committed(answer: Committed): void;
  /** It goes back to the queue. */
  handedBack(): void;
}

/** Hears of all jobs of a worker. Throws nothing. */
export interface JobWatcher {
  begun(begun: Begun, uid: string): AttemptWatcher;
  /** A try to commit, of an attempt of ours or of a job that nobody ran; `unanswered`: Redis did not take it. */
  tried(answer: CommitAnswer | 'unanswered'): void;
  /** The result that Redis keeps of a job is one of ours. */
  final(outcome: OutcomeKind): void;
}

/** Several watchers as one; at first none. */
export class Watch implements JobWatcher {
  readonly #watchers: JobWatcher[] = [];

  /** It hears of attempts that begin from now on. */
  add(watcher: JobWatcher): void {
    this.#watchers.push(watcher);
  }

  begun(begun: Begun, uid: string): AttemptWatcher {
    const watchers = this.#watchers.map((watcher) => watcher.begun(begun, uid));
    return {
      ran: (result) => {
        for (const watcher of watchers) watcher.ran(result);
      },
      committed: (answer) => {
        for (const watcher of watchers) watcher.committed(answer);
      },
      handedBack: () => {
        for (const watcher of watchers) watcher.handedBack();
      },
    };
  }

  tried(answer: CommitAnswer | 'unanswered'): void {
    for (const watcher of this.#watchers) watcher.tried(answer);
  }

  final(outcome: OutcomeKind): void {
    for (const watcher of this.#watchers) watcher.final(outcome);
  }
}
