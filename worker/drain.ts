// How a worker stops. *Serving* → (first signal) → *draining*: nothing is fetched any more, what has not begun goes back to
// the queue, what may begin again is ended and goes back, the rest may finish until `drainMs` are over → *ending*: what still
// runs is ended as `worker-lost{drain}` and committed, for at most two seconds. A second signal leads to *ending* at once.

import type { Executions } from './executions.ts';
import { within } from './within.ts';

/** After the last kill: time to collect, to commit and to close. */
export const ENDING_MS = 1_200;

export type DrainState = 'serving' | 'draining' | 'ending';

export interface DrainOptions {
  executions: Executions;
  /** How long running jobs may finish, in milliseconds. */
  drainMs: number;
  /** Stops fetching; resolves when every delivery is settled. */
  stopFetching(): Promise<void>;
}

/** The one way from serving to stopped. */
export class Drain {
  readonly #options: DrainOptions;
  readonly #hurry = new AbortController();
  #state: DrainState = 'serving';
  #finished: Promise<void> | null = null;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  get state(): DrainState {
    return this.#state;
  }

  /** Drains, once; asked again while draining, ends at once. Resolves when nothing runs, or `drainMs` + 1.2 s later. */
  request(): Promise<void> {
    if (this.#finished === null) this.#finished = this.#run();
    else this.#hurry.abort();
    return this.#finished;
  }

  async #run(): Promise<void> {
    const { executions, drainMs, stopFetching } = this.#options;
    this.#state = 'draining';
    const settled = stopFetching();
    executions.handBack();
    const gracefully = await within(drainMs, settled, this.#hurry.signal);
    this.#state = 'ending';
    if (gracefully) return;
    executions.killAll('drain');
    await within(ENDING_MS, settled);
  }
}
