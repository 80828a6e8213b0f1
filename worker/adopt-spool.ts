// Results that a worker which is no more could not commit: the next worker of the same queue on the same host does it.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Spool, SpoolCorruptError } from './spool.ts';
import type { Workplace } from './workplace.ts';

/** Where an instance keeps its results. */
export function spoolDirectory(runDir: string, instance: string): string {
  return join(runDir, 'spool', instance);
}

export interface Adoption {
  runDir: string;
  /** Which queue of which Redis this is: others' results are left alone. */
  home: string;
  /** Our own spool, under a name that an earlier worker may have had. */
  own: Spool;
}

/** Commits what dead instances (and an earlier one of our own name) left. What Redis does not take stays where it is. */
export async function adoptSpools({ runDir, home, own }: Adoption, place: Workplace): Promise<void> {
  const { workers } = await place.protocol.stats();
  const alive = new Set(workers.map(({ instance }) => instance).filter((instance) => instance !== place.instance));
  const instances = await readdir(join(runDir, 'spool')).catch(() => []);
  for (const instance of instances.filter((name) => !alive.has(name))) {
    const spool = instance === place.instance ? own : await Spool.open(spoolDirectory(runDir, instance));
    for (const name of await spool.names()) await adopt(name, { spool, home }, place);
    if (spool !== own) await spool.removeIfEmpty();
  }
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
