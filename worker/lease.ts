import type { Settings } from './config.ts';
import { Engine, type Lease, type SandboxEngine, takeLease } from './engine.ts';

const DEFAULT_READY = 2;

/** The native layer under a lease of its own. */
export interface LeasedEngine {
  engine: SandboxEngine;
  lease: Lease;
}

/**
 * Leases an instance name and a uid for each sandbox that may exist at a time, then opens the native layer with them.
 * Throws when the host refuses either, or when the configuration is invalid in its eyes.
 */
export async function openEngine(settings: Settings): Promise<LeasedEngine & { engine: Engine }> {
  const { document, runDir, uids, slots } = settings;
  const lease = takeLease({ runDir, uids, slots: slots + readyOf(settings) });
  const leased = { instance: lease.instance, uids: { first: lease.firstUid, count: lease.uidCount } };
  return { engine: await Engine.open({ ...document, ...leased, runDir, slots }), lease };
}

/** The settings of a process that runs one job and is gone: one slot, nothing warm. */
export function forOneJob(settings: Settings): Settings {
  return { ...settings, slots: 1, pools: {}, document: { ...settings.document, pools: {} } };
}

function readyOf({ pools }: Settings): number {
  return Object.values(pools).reduce(
    (sum, { warm, ready }) => sum + (warm === 'none' ? 0 : (ready ?? DEFAULT_READY)),
    0,
  );
}
