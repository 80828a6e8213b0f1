// How things stand at the moment of a scrape: this worker's native layer and spool, its process, and its queue as Redis tells.

import { Counter, Gauge, type Registry } from 'prom-client';
import type { QueueDepth } from '../../protocol/index.ts';
import type { EngineStats } from '../engine.ts';
import { ProcessGauges } from './process-gauges.ts';

/** What is looked at. `depth` null: Redis did not tell in time. */
export interface Standing {
  engine: EngineStats;
  spool: { files: number; bytes: number };
  isServing: boolean;
  /** Milliseconds since Redis last answered the consumer. */
  silentMs: number;
  depth: QueueDepth | null;
}

/** The counters of a pool live in the native layer, since it was opened. */
const POOL_COUNTERS = {
  hits: 'Jobs that found a sandbox ready',
  misses: 'Jobs for which a sandbox had to be made',
  made: 'Sandboxes made ahead',
} as const;

const POOL_GAUGES = {
  ready: 'Sandboxes made ahead and waiting',
  wanted: 'How many there should be',
  failures: 'Failures to make one, in a row',
  stopped: '1 while making them is given up for a pause',
} as const;

const POOL_LABELS = ['backend', 'root', 'loopback'];

/** Gauges in a registry; their series are bounded by what the operator configured. */
export class Gauges {
  readonly #registry: Registry;
  readonly #process: ProcessGauges;
  readonly #serving: Gauge;
  readonly #silent: Gauge;
  readonly #running: Gauge;
  readonly #slots: Gauge<'state'>;
  readonly #poolCounters: [keyof typeof POOL_COUNTERS, Counter][];
  readonly #poolGauges: [keyof typeof POOL_GAUGES, Gauge][];
  readonly #spool: Record<'files' | 'bytes', Gauge>;
  readonly #redisUp: Gauge;
  readonly #jobs: Gauge<'state'>;
  readonly #oldest: Gauge;
  readonly #dropped: Counter;

  /** Adds them, the figures of the process, and what was built. */
  constructor(registry: Registry, build: { version: string; node: string }) {
    this.#registry = registry;
    this.#process = new ProcessGauges(registry);
    this.#gauge('bullpen_build_info', 'Always 1', ['version', 'node']).set(build, 1);
    this.#serving = this.#gauge('bullpen_worker_serving', '1, or 0 while it drains', []);
    this.#silent = this.#gauge('bullpen_worker_silence_seconds', 'Since Redis last answered the consumer', []);
    this.#running = this.#gauge('bullpen_jobs_running', 'Jobs in the native layer of this worker', []);
    this.#slots = this.#gauge('bullpen_sandbox_slots', 'Places for one live sandbox each', ['state']);
    const registers = [registry];
    this.#poolCounters = typed(POOL_COUNTERS).map(([name, help]) => [
      name,
      new Counter({ name: `bullpen_pool_${name}_total`, help, labelNames: POOL_LABELS, registers }),
    ]);
    this.#poolGauges = typed(POOL_GAUGES).map(([name, help]) => [
      name,
      this.#gauge(`bullpen_pool_${name}`, help, POOL_LABELS),
    ]);
    this.#spool = {
      files: this.#gauge('bullpen_spool_results', 'Results that wait on disk for Redis', []),
      bytes: this.#gauge('bullpen_spool_bytes', 'Their bytes', []),
    };
    this.#redisUp = this.#gauge('bullpen_redis_up', '1 when Redis told the depth of the queue for this scrape', []);
    this.#jobs = this.#gauge('bullpen_queue_jobs', QUEUE_HELP, ['state']);
    const dropped = 'Dead letters that lost their document because newer ones needed the room';
    this.#dropped = new Counter({ name: 'bullpen_queue_dead_dropped_total', help: dropped, registers });
    this.#oldest = this.#gauge('bullpen_queue_oldest_waiting_seconds', 'Age of the oldest waiting job, else 0', []);
  }

  /** Sets all of them. What Redis did not tell is left out, not repeated from before. */
  set({ engine, spool, isServing, silentMs, depth }: Standing): void {
    this.#process.set();
    this.#serving.set(isServing ? 1 : 0);
    this.#silent.set(silentMs / 1000);
    this.#running.set(engine.running);
    for (const [state, count] of Object.entries(engine.slots)) this.#slots.set({ state }, count);
    this.#setPools(engine.pools);
    this.#spool.files.set(spool.files);
    this.#spool.bytes.set(spool.bytes);
    this.#setDepth(depth);
  }

  /** The event loop came round `ms` milliseconds late. */
  late(ms: number): void {
    this.#process.late(ms);
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge<L>({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #setPools(pools: EngineStats['pools']): void {
    for (const [, counter] of this.#poolCounters) counter.reset();
    for (const { backend, root, loopback, ...pool } of pools) {
      const labels = { backend, root, loopback };
      for (const [name, counter] of this.#poolCounters) counter.inc(labels, pool[name]);
      for (const [name, gauge] of this.#poolGauges) gauge.set(labels, Number(pool[name]));
    }
  }

  #setDepth(depth: QueueDepth | null): void {
    this.#redisUp.set(depth === null ? 0 : 1);
    this.#jobs.reset();
    this.#oldest.remove();
    this.#dropped.remove();
    if (depth === null) return;
    const { waiting, released, running, dead, deadDropped, oldestWaitingMs } = depth;
    this.#dropped.inc(deadDropped);
    const states = { pending: waiting - released, released, running, dead };
    for (const [state, count] of Object.entries(states)) this.#jobs.set({ state }, count);
    this.#oldest.set((oldestWaitingMs ?? 0) / 1000);
  }
}

function typed<K extends string>(helps: Readonly<Record<K, string>>): [K, string][] {
  return Object.entries(helps) as [K, string][];
}

const QUEUE_HELP =
  'Jobs of the queue: pending (accepted, not handed out), released (handed out, not begun), running, dead (letters kept)';
