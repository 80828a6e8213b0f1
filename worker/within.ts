import { setTimeout as sleep } from 'node:timers/promises';

/** True if the work was done within the time (milliseconds), false when the time or the signal came first. */
export async function within(ms: number, work: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const timer = new AbortController();
  const signals = signal === undefined ? [timer.signal] : [timer.signal, signal];
  const late = sleep(ms, false, { signal: AbortSignal.any(signals) }).catch(() => false);
  const done = await Promise.race([work.then(() => true), late]);
  timer.abort();
  return done;
}
