/** Thrown by `within` when the time is up. It only stops the flow: callers turn it into an error of their own. */
export class TimeUp extends Error {
  override readonly name = 'TimeUp';
}

export interface Bounds {
  /** Milliseconds; `null`: no limit. At most 2^31 − 1. */
  ms: number | null;
  /** Each aborts the waiting, not the work; `undefined` entries are none. */
  signals: readonly (AbortSignal | undefined)[];
}

/** Settles as `work` does, unless the time is up first (`TimeUp`) or a signal aborts (its reason). */
export async function within<T>(work: Promise<T>, { ms, signals }: Bounds): Promise<T> {
  // The work may fail after it is waited for no more.
  work.catch(() => undefined);
  const given = signals.filter((signal) => signal !== undefined);
  for (const signal of given) signal.throwIfAborted();
  const cleanups: (() => void)[] = [];
  const ended = new Promise<never>((_, reject) => {
    if (ms !== null) {
      const timer = setTimeout(() => reject(new TimeUp(`no answer within ${ms} ms`)), Math.max(0, ms));
      cleanups.push(() => clearTimeout(timer));
    }
    for (const signal of given) {
      const abort = (): void => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      cleanups.push(() => signal.removeEventListener('abort', abort));
    }
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    for (const cleanup of cleanups) cleanup();
  }
}
