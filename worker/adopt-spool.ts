// Results that a worker which is no more could not commit, and those of an earlier self: they lie in this worker's own spool since its start.

import { type Spool, SpoolCorruptError } from './spool.ts';
import type { Workplace } from './workplace.ts';

export interface Adoption {
  /** Which queue of which Redis this is: others' results are left alone. */
  home: string;
  own: Spool;
}

/** Commits what lies there. What Redis does not take stays where it is. */
export async function adoptSpool({ home, own }: Adoption, place: Workplace): Promise<void> {
  for (const name of await own.names()) await adopt(name, { spool: own, home }, place);
}

async function adopt(name: string, { spool, home }: { spool: Spool; home: string }, place: Workplace): Promise<void> {
  const { committer, log } = place;
  try {
    const spooled = await spool.read(name);
    if (spooled.home !== home) return;
    const committed = await committer.commitIfPossible(spooled.finish);
    log.info({ exec: `${spooled.finish.uid}-${spooled.finish.epoch}`, committed }, 'a result that waited on disk');
    if (committed !== 'dropped') await spool.remove(name);
  } catch (error) {
    if (!(error instanceof SpoolCorruptError)) throw error;
    log.error({ reason: error.message }, 'a result that waited on disk is lost');
    await spool.remove(name);
  }
}
