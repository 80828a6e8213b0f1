// Repairs what a crash between two round trips leaves. Every worker does it, a little out of step with the others.

import type { Ending } from '../protocol/index.ts';
import { endSwept } from './end-job.ts';
import type { Workplace } from './workplace.ts';

const PERIOD_MS = 2_000;

/** Sweeps about every two seconds, and at once when woken. */
export class Sweeper {
  readonly #place: Workplace;
  #timer: NodeJS.Timeout | null = null;
  #sweeping: Promise<void> | null = null;
  #wanted = false;
  #closed = false;

  constructor(place: Workplace) {
    this.#place = place;
  }

  start(): void {
    this.wake();
  }

  /** Sweeps now, or once more after the sweep that is under way. */
  wake(): void {
    this.#wanted = true;
    if (this.#closed || this.#sweeping !== null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#sweeping = this.#sweepUntilDone();
  }

  /** Stops; resolves when the sweep that is under way is done. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#sweeping;
  }

  async #sweepUntilDone(): Promise<void> {
    while (this.#wanted && !this.#closed) {
      this.#wanted = false;
      await this.#sweep().catch((error: unknown) => this.#place.log.debug({ err: error }, 'sweep'));
    }
    this.#sweeping = null;
    if (!this.#closed) this.#timer = setTimeout(() => this.wake(), PERIOD_MS * (0.75 + Math.random() / 2));
  }

  async #sweep(): Promise<void> {
    const { protocol, dispatcher } = this.#place;
    const { releases, endings } = await protocol.sweep();
    await dispatcher.add(releases);
    for (const ending of endings) await this.#end(ending);
    // There may be more than one sweep looks at. What could not be ended comes up again only after a while.
    if (endings.length > 0) this.#wanted = true;
  }

  /** What is in hand here ends here, unless it waits for memory. */
  async #end(ending: Ending): Promise<void> {
    if (!this.#place.executions.isBusyWith(ending.uid)) await endSwept(ending, this.#place);
  }
}
