import { createHash } from 'node:crypto';
import { canonicalBytes } from '../protocol/index.ts';
import { OFFER_MAX_BYTES } from '../schemas/parse.ts';
import type { Layer, WorkerOffer } from '../schemas/types.ts';
import type { Settings } from './config.ts';
import type { Probe, Terms } from './engine.ts';

/** What a worker tells the queue about itself. */
export interface Registration {
  /** SHA-256 (hex) of what all workers of a queue must have alike. */
  digest: string;
  /** `offer.schema.json` as text, at most `OFFER_MAX_BYTES`: for people and for `bullpen explain`. */
  offer: string;
}

/**
 * A queue is served by alike workers, so that a job means the same wherever it runs: the same runtimes (those that work on
 * this host), backends, ceilings, policies and defaults. Slots and times may differ, and so may the values of layers.
 */
export function offerOf(settings: Settings, { layers, runtimes }: Probe, terms: Terms): Registration {
  const { backends, ceilings, policies, defaults } = settings;
  const descriptions = { runtimes: settings.runtimes, rootFilesystems: settings.rootFilesystems };
  const alike = {
    runtimes: runtimes
      .filter(({ ok }) => ok)
      .map(({ name }) => name)
      .sort(),
    runtimesSha256: sha256Of(descriptions),
    backends: [...backends].sort(),
    ceilingsSha256: sha256Of(ceilings),
    defaultsSha256: sha256Of(defaults),
    policiesSha256: sha256Of(policies),
  };
  const offer = { version: 1, ...alike, layers: layersOf(layers, settings), ...terms, policiesOmitted: 0 } as const;
  return { digest: sha256Of(alike), offer: textOf(offer) };
}

/** Layers whose value says something of the host, and not of the one sandbox that was tried. */
const OF_THE_HOST: ReadonlySet<string> = new Set(['landlock', 'cgroup-memory', 'cgroup-pids', 'cgroup-cpu']);

/** What held. */
function layersOf(layers: Probe['layers'], { substitutes }: Settings): WorkerOffer['layers'] {
  return layers
    .filter(({ held }) => held)
    .map(({ layer, value }) => {
      const isSubstitute = substitutes.some((one) => one.layer === layer && one.by === value);
      return { layer: layer as Layer, value: isSubstitute || OF_THE_HOST.has(layer) ? value : null, isSubstitute };
    });
}

/** Every heartbeat carries it: policies for which there is no room are left out, the last ones by name first. */
function textOf(offer: WorkerOffer): string {
  const names = Object.keys(offer.policies).sort();
  let text = JSON.stringify(offer);
  for (let kept = names.length - 1; Buffer.byteLength(text) > OFFER_MAX_BYTES && kept >= 0; kept -= 1) {
    const policies = Object.fromEntries(names.slice(0, kept).map((name) => [name, offer.policies[name]]));
    text = JSON.stringify({ ...offer, policies, policiesOmitted: names.length - kept });
  }
  return text;
}

function sha256Of(document: unknown): string {
  return createHash('sha256').update(canonicalBytes(document)).digest('hex');
}
