// Every execution ends here: exactly one commit is made of it, whatever Redis is doing. A result that Redis can't take now
// lies on disk until it can, so that it survives this process too. The fence in the script decides whose result counts;
// sending the same one twice is harmless.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Finish } from './finish.ts';
import type { Log } from './log.ts';
import type { Spool } from './spool.ts';

/** What Redis said: taken, there was one already, or the epoch is another worker's. */
export type CommitAnswer = 'ok' | 'already' | 'fenced';

/** As CommitAnswer; `kept`: this worker stops and the result waits on disk; `dropped`: it was not worth keeping. */
export type Committed = CommitAnswer | 'kept' | 'dropped';

export interface CommitterOptions {
  /** Sends a result once; throws when Redis can't take it now. */
  send(finish: Finish): Promise<CommitAnswer>;
  spool: Spool;
  /** Which queue of which Redis this is. */
  home: string;
  log: Log;
}

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;

/** Commits results; while Redis is away they wait, in memory and on disk. */
export class Committer {
  readonly #send: (finish: Finish) => Promise<CommitAnswer>;
  readonly #spool: Spool;
  readonly #home: string;
  readonly #log: Log;
  readonly #stopped = new AbortController();

  constructor({ send, spool, home, log }: CommitterOptions) {
    this.#send = send;
    this.#spool = spool;
    this.#home = home;
    this.#log = log;
  }

  /** Commits a result, however long Redis stays away; answers `kept` when the worker stops before that. */
  async commit(finish: Finish): Promise<Committed> {
    const first = await this.#attempt(finish);
    if (!(first instanceof Error)) return first;
    const file = await this.#keep({ home: this.#home, finish }, first.message);
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(LAST_RETRY_MS, waitMs * 2)) {
      if (!(await this.#pause(waitMs))) return 'kept';
      const answer = await this.#attempt(finish);
      if (answer instanceof Error) continue;
      if (file !== null) await this.#spool.remove(file);
      return answer;
    }
  }

  /** Tries once: for an execution that this worker gave up, whose end another will tell if Redis does not hear it now. */
  async commitIfPossible(finish: Finish): Promise<Committed> {
    const answer = await this.#attempt(finish);
    return answer instanceof Error ? 'dropped' : answer;
  }

  /** Ends all waiting: what Redis has not taken stays on disk. */
  stop(): void {
    this.#stopped.abort();
  }

  async #attempt(finish: Finish): Promise<CommitAnswer | Error> {
    try {
      return await this.#send(finish);
    } catch (error) {
      this.#log.debug({ exec: `${finish.uid}-${finish.epoch}`, err: error }, 'the result could not be committed');
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #keep(spooled: { home: string; finish: Finish }, reason: string): Promise<string | null> {
    const exec = `${spooled.finish.uid}-${spooled.finish.epoch}`;
    try {
      const file = await this.#spool.put(spooled);
      this.#log.warn({ exec, reason }, 'Redis does not take the result now: it waits on disk');
      return file;
    } catch (error) {
      this.#log.error({ exec, err: error }, 'the result waits in memory only');
      return null;
    }
  }

  async #pause(ms: number): Promise<boolean> {
    const { signal } = this.#stopped;
    await sleep(ms / 2 + Math.random() * (ms / 2), undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }
}
