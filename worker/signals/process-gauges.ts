// This process under the names that dashboards know. Those of the metrics library itself are not used: a scraper that follows the
// text format's rules complains about two of them.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Seconds. */
const DELAYS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Memory, CPU time and event-loop delay of this process. */
export class ProcessGauges {
  readonly #resident: Gauge;
  readonly #heap: Gauge;
  readonly #cpu: Counter;
  readonly #delay: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    this.#resident = gauge('process_resident_memory_bytes', 'Resident memory');
    this.#heap = gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use');
    this.#cpu = new Counter({ name: 'process_cpu_seconds_total', help: 'User and system CPU time', registers });
    gauge('process_start_time_seconds', 'When this process started, since 1970').set(performance.timeOrigin / 1000);
    this.#delay = new Histogram({
      name: 'bullpen_eventloop_delay_seconds',
      help: 'How late the event loop came round, four times a second',
      buckets: DELAYS,
      registers,
    });
  }

  /** The event loop came round `ms` milliseconds late. */
  late(ms: number): void {
    this.#delay.observe(Math.max(0, ms) / 1000);
  }

  /** Sets the others. */
  set(): void {
    const { rss, heapUsed } = process.memoryUsage();
    this.#resident.set(rss);
    this.#heap.set(heapUsed);
    const { user, system } = process.cpuUsage();
    this.#cpu.reset();
    this.#cpu.inc((user + system) / 1e6);
  }
}
