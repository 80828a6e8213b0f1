// Results that a worker which is no more could not commit, and those of an earlier self: they lie in this worker's own spool since its start.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Spool, SpoolCorruptError, type Spooled } from './spool.ts';
import type { Workplace } from './workplace.ts';

export interface Adoption {
  /** Which queue of which Redis this is: a result for another is refused. */
  home: string;
  own: Spool;
}

const RETRY_MS = 5_000;

/** Tries once to commit each of these files, by default all that lie there. Answers those that Redis did not take now. */
export async function adoptSpool(adoption: Adoption, place: Workplace, names?: string[]): Promise<string[]> {
  const left: string[] = [];
  for (const name of names ?? (await adoption.own.names())) {
    if (!(await adopt(name, adoption, place))) left.push(name);
  }
  return left;
}

/** Tries these files again until Redis has taken all of them, or the worker stops. */
export async function adoptLeft(
  names: string[],
  adoption: Adoption,
  { place, signal }: { place: Workplace; signal: AbortSignal },
): Promise<void> {
  for (let left = names; left.length > 0; left = await adoptSpool(adoption, place, left)) {
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
}

/** True when the file is done with: committed, or refused. One that can't be believed stops no other. */
async function adopt(name: string, { own, home }: Adoption, { committer, log }: Workplace): Promise<boolean> {
  let spooled: Spooled;
  try {
    spooled = await own.read(name);
    if (spooled.home !== home) throw new SpoolCorruptError(`${name}: it is for another queue`);
  } catch (error) {
    if (!(error instanceof SpoolCorruptError)) {
      log.error({ err: error, file: name }, 'a result that waited on disk can not be read');
      return false;
    }
    log.error({ reason: error.message }, REFUSED);
    await own.remove(name);
    return true;
  }
  const committed = await committer.commitIfPossible(spooled.finish);
  log.info({ exec: `${spooled.finish.uid}-${spooled.finish.epoch}`, committed }, 'a result that waited on disk');
  if (committed === 'dropped') return false;
  await own.remove(name);
  return true;
}

const REFUSED = 'a result that waited on disk is refused: it is not what a worker wrote. Its job ends worker-lost';
