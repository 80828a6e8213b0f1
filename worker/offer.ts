import { createHash } from 'node:crypto';
import { canonicalBytes } from '../protocol/index.ts';
import type { Settings } from './config.ts';
import type { Probe } from './engine.ts';

/** What a worker tells the queue about itself. */
export interface WorkerOffer {
  /** SHA-256 (hex) of what all workers of a queue must have alike. */
  digest: string;
  /** The same as JSON text, for people to read. */
  offer: string;
}

/**
 * A queue is served by alike workers, so that a job means the same wherever it runs: the same runtimes (those that work on
 * this host), backends, ceilings, policies and defaults. Slots and times may differ.
 */
export function offerOf(settings: Settings, runtimes: Probe['runtimes']): WorkerOffer {
  const { backends, ceilings, policies, defaults } = settings;
  const descriptions = { runtimes: settings.runtimes, rootFilesystems: settings.rootFilesystems };
  const offer = {
    runtimes: runtimes
      .filter(({ ok }) => ok)
      .map(({ name }) => name)
      .sort(),
    runtimesSha256: sha256Of(descriptions),
    backends: [...backends].sort(),
    ceilingsSha256: sha256Of(ceilings),
    defaultsSha256: sha256Of(defaults),
    policies: Object.fromEntries(Object.entries(policies).map(([name, policy]) => [name, sha256Of(policy)])),
  };
  return { digest: sha256Of(offer), offer: JSON.stringify(offer) };
}

function sha256Of(document: unknown): string {
  return createHash('sha256').update(canonicalBytes(document)).digest('hex');
}
