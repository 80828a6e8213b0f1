// What this worker tells of itself over HTTP: /healthz, /readyz, /metrics. Opened after privileges are gone.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { QueueDepth } from '../../protocol/index.ts';
import type { Http } from '../../schemas/types.ts';
import { packageRoot } from '../package-root.ts';
import type { Spool } from '../spool.ts';
import { within } from '../within.ts';
import type { Workplace } from '../workplace.ts';
import { Figures } from './figures.ts';
import { Gauges } from './gauges.ts';
import { type Answer, Listener } from './listener.ts';
import { LoopWatch } from './loop-watch.ts';
import type { Progress } from './progress.ts';
import { Readiness, type ReadinessOptions } from './readiness.ts';

/** So long a scrape waits for Redis. Milliseconds. */
const DEPTH_MS = 1_000;

export interface SignalsOptions extends Pick<ReadinessOptions, 'redis' | 'isRegistered'> {
  /** Where to listen. */
  at: Http;
  place: Workplace;
  spool: Spool;
  progress: Progress;
}

/** The three questions, and who answers them. */
export class Signals {
  readonly #options: SignalsOptions;
  readonly #loop: LoopWatch;
  readonly #readiness: Readiness;
  readonly #figures = new Figures();
  readonly #gauges: Gauges;
  #scrape: Promise<Answer> | null = null;
  #listener: Listener | null = null;

  private constructor(options: SignalsOptions) {
    const { place, redis, isRegistered } = options;
    const { engine, log } = place;
    this.#options = options;
    this.#readiness = new Readiness({ redis, engine, log, isRegistered, isServing: () => place.isServing() });
    this.#gauges = new Gauges(this.#figures.registry, { version: version(), node: process.versions.node });
    this.#loop = new LoopWatch((lateMs) => this.#gauges.late(lateMs));
  }

  /** Listens, logs where, and counts what happens from now on. Throws ListenError. */
  static async open(options: SignalsOptions): Promise<Signals> {
    const { at, place } = options;
    const signals = new Signals(options);
    try {
      signals.#listener = await Listener.open(at, signals.#routes(), place.log);
    } catch (error) {
      await signals.close();
      throw error;
    }
    place.watch.add(signals.#figures);
    place.log.info({ http: signals.address }, 'listening');
    return signals;
  }

  /** `HOST:PORT` or `unix:/PATH`. */
  get address(): string {
    return this.#listener?.address ?? '';
  }

  async close(): Promise<void> {
    this.#readiness.close();
    this.#loop.close();
    await this.#listener?.close();
  }

  #routes(): Record<string, () => Promise<Answer>> {
    return {
      '/healthz': async () => this.#health(),
      '/readyz': () => this.#ready(),
      '/metrics': () => this.#metrics(),
    };
  }

  #health(): Answer {
    const { progress } = this.#options;
    const reasons = [progress.fault(), this.#loop.fault()].filter((reason) => reason !== null);
    const lastProgressMs = Math.round(progress.silentMs);
    return json(reasons.length === 0, { healthy: reasons.length === 0, reasons, lastProgressMs });
  }

  async #ready(): Promise<Answer> {
    const checks = await this.#readiness.checks();
    const ready = Object.values(checks).every(({ ok }) => ok);
    return json(ready, { ready, checks });
  }

  /** One scrape at a time: whoever asks meanwhile gets the same. */
  #metrics(): Promise<Answer> {
    this.#scrape ??= this.#measure().finally(() => {
      this.#scrape = null;
    });
    return this.#scrape;
  }

  async #measure(): Promise<Answer> {
    const { place, spool, progress } = this.#options;
    const depth = await this.#depth();
    const standing = { engine: place.engine.stats(), spool: spool.size, isServing: place.isServing(), depth };
    this.#gauges.set({ ...standing, silentMs: progress.silentMs });
    const { registry } = this.#figures;
    return { status: 200, type: registry.contentType, body: await registry.metrics() };
  }

  async #depth(): Promise<QueueDepth | null> {
    let depth: QueueDepth | null = null;
    const { protocol, log } = this.#options.place;
    const asked = protocol.depth().then(
      (told) => {
        depth = told;
      },
      (error: unknown) => log.debug({ err: error }, 'metrics: Redis did not answer'),
    );
    await within(DEPTH_MS, asked);
    return depth;
  }
}

function json(isGood: boolean, body: object): Answer {
  return { status: isGood ? 200 : 503, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}

function version(): string {
  const document = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return document.version;
}
