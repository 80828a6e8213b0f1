import { pick, seededRandom } from './random.ts';

/** Everything bad that may happen, by name. */
export const DEEDS = [
  'worker killed',
  'worker ended',
  'worker stopped for longer than its lock',
  'worker stopped for a moment',
  'shim killed',
  'forkserver killed',
  'forkserver stopped',
  'sandbox killed',
  'reply lost',
  'a twentieth of the replies lost',
  'connections reset',
  'connections dark',
  'new connections refused',
  'latency',
  'sliced',
  'Redis killed',
  'Redis stopped',
] as const;

export type DeedName = (typeof DEEDS)[number];

/** One of them, and all chance that belongs to it. */
export interface Deed {
  name: DeedName;
  /** From 0 up to 1: who, or what, it hits. */
  chance: number;
  /** Milliseconds until the next one. */
  thenMs: number;
}

/** The deeds that follow from a seed, for ever: the same seed, the same deeds. */
export function* deedsOf(seed: number): Generator<Deed, never> {
  const random = seededRandom(seed);
  for (;;) yield { name: pick(random, DEEDS), chance: random(), thenMs: Math.round(200 + random() * 800) };
}
