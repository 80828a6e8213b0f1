import { createHash } from 'node:crypto';
import type { Settings } from './config.ts';
import { claimSpool, dropPrivileges, Engine, type Lease, type SandboxEngine, takeLease, type User } from './engine.ts';

const DEFAULT_READY = 2;

/** The native layer under a lease of its own. */
export interface LeasedEngine {
  engine: SandboxEngine;
  lease: Lease;
  /** The directory for results that can't be committed to `home`, a queue of a Redis. To be called before privileges go. */
  spool(home: string): string;
  /**
   * Gives up root's privileges for good, now that everything that needs them is there, and answers who this process is then;
   * null if it was not to, or has none to give up. When it throws, the process must end.
   */
  dropPrivileges(): User | null;
}

/**
 * Leases an instance name and a uid for each sandbox that may exist at a time, then opens the native layer with them. With `drops`
 * (and started as root) an id more, for the process itself, unless the operator names one.
 * Throws when the host refuses either, or when the configuration is invalid in its eyes.
 */
export async function openEngine(
  settings: Settings,
  { drops }: { drops: boolean },
): Promise<LeasedEngine & { engine: Engine }> {
  const { document, runDir, uids, slots } = settings;
  const isRoot = drops && process.getuid?.() === 0;
  const own = isRoot && settings.user === undefined ? 1 : 0;
  const lease = takeLease({ runDir, uids, slots: slots + readyOf(settings) + own });
  const leased = { instance: lease.instance, uids: { first: lease.firstUid, count: lease.uidCount - own } };
  const last = lease.firstUid + lease.uidCount - 1;
  const user = isRoot ? (settings.user ?? { uid: last, gid: last }) : null;
  return {
    engine: await Engine.open({ ...document, ...leased, runDir, slots }),
    lease,
    spool: (home) => claimSpool({ runDir, home: nameOf(home), instance: lease.instance, owner: user }),
    dropPrivileges: () => {
      if (user !== null) dropPrivileges(user);
      return user;
    },
  };
}

/** The settings of a process that runs one job and is gone: one slot, nothing warm. */
export function forOneJob(settings: Settings): Settings {
  return { ...settings, slots: 1, pools: {}, document: { ...settings.document, pools: {} } };
}

/** A directory's name for a queue of a Redis. */
function nameOf(home: string): string {
  return createHash('sha256').update(home).digest('hex').slice(0, 32);
}

function readyOf({ pools }: Settings): number {
  return Object.values(pools).reduce(
    (sum, { warm, ready }) => sum + (warm === 'none' ? 0 : (ready ?? DEFAULT_READY)),
    0,
  );
}
