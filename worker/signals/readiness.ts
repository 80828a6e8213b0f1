// Whether jobs should come here: each reason against it is a check with a name.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Probe, SandboxEngine } from '../engine.ts';
import type { Log } from '../log.ts';
import { within } from '../within.ts';

/** So long may Redis take to answer. Milliseconds. */
const PING_MS = 1_000;
/** How often the layers of the host are tried again, by use: while they hold (it makes some ten sandboxes), and while one doesn't. Milliseconds. */
const PROBE_TIMES = { everyMs: 60_000, againMs: 5_000 };

/** One condition of readiness; a `reason` only where it doesn't hold. */
export interface Check {
  ok: boolean;
  reason?: string;
}

export type CheckName = 'redis' | 'registered' | 'serving' | 'forkserver' | 'pool' | 'layers';

export interface ReadinessOptions {
  redis: Redis;
  engine: SandboxEngine;
  log: Log;
  /** Whether this worker has joined its queue. */
  isRegistered(): boolean;
  /** False from the first moment of a drain. */
  isServing(): boolean;
  /** Default: a minute, and 5 s. */
  probeTimes?: typeof PROBE_TIMES;
}

/** The checks of one worker. Every layer held when this is made: without, a worker doesn't start. */
export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #closed = new AbortController();
  #layers: Check = { ok: true };
  #isLost = false;
  #pinging: Promise<Check> | null = null;

  constructor(options: ReadinessOptions) {
    this.#options = options;
    void options.engine.lost().then(() => {
      this.#isLost = true;
    });
    void this.#probeAgainAndAgain();
  }

  /** Looks at everything, within about a second. Asked several times at once, Redis is asked once. */
  async checks(): Promise<Record<CheckName, Check>> {
    const { isRegistered, isServing } = this.#options;
    this.#pinging ??= this.#ping().finally(() => {
      this.#pinging = null;
    });
    return {
      redis: await this.#pinging,
      registered: holds(isRegistered(), 'this worker has not joined its queue yet: the log says why'),
      serving: holds(isServing(), 'this worker drains'),
      forkserver: holds(!this.#isLost, 'the forkserver and its shim died: start this worker again'),
      pool: this.#pool(),
      layers: this.#layers,
    };
  }

  /** Ends the trials of layers. */
  close(): void {
    this.#closed.abort();
  }

  async #ping(): Promise<Check> {
    const answered = this.#options.redis.ping().then(
      () => null,
      (error: Error) => error.message,
    );
    let reason: string | null = `no answer within ${PING_MS} ms`;
    await within(
      PING_MS,
      answered.then((said) => (reason = said)),
    );
    return reason === null ? { ok: true } : { ok: false, reason };
  }

  #pool(): Check {
    const { slots, pools } = this.#options.engine.stats();
    const stopped = pools.find((pool) => pool.stopped && pool.wanted > 0);
    if (stopped)
      return { ok: false, reason: `making sandboxes failed repeatedly: ${stopped.lastFailure ?? 'unknown'}` };
    return holds(slots.free + slots.inUse > 0, 'every slot is in quarantine: what ran there could not be removed');
  }

  async #probeAgainAndAgain(): Promise<void> {
    const { engine, log, probeTimes: { everyMs, againMs } = PROBE_TIMES } = this.#options;
    const { signal } = this.#closed;
    const pauseMs = () => (this.#layers.ok ? everyMs : againMs) * (0.75 + Math.random() / 2);
    while (await isAfter(pauseMs(), signal)) {
      const layers = await engine.probe().then(missingLayers, (error: Error) => error.message);
      if (signal.aborted) return;
      if (layers !== null && this.#layers.ok) log.error({ reason: layers }, 'this host no longer holds what jobs need');
      if (layers === null && !this.#layers.ok) log.info('every layer of this host holds again');
      this.#layers = layers === null ? { ok: true } : { ok: false, reason: layers };
    }
  }
}

function holds(ok: boolean, reason: string): Check {
  return ok ? { ok } : { ok, reason };
}

/** Which layers don't hold, in words; null when all do. */
function missingLayers({ layers }: Probe): string | null {
  const missing = layers.filter(({ held, tried }) => tried && !held);
  if (missing.length === 0) return null;
  return missing.map(({ layer, message }) => `${layer}: ${message ?? 'does not hold'}`).join('; ');
}

async function isAfter(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal, ref: false }).catch(() => false);
}
