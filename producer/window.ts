// Backpressure: many pieces of work through a window of a fixed size.

/** How one piece of work ended. `index` counts the source from 0. */
export type Settlement<T> =
  | { index: number; status: 'fulfilled'; result: T }
  | { index: number; status: 'rejected'; error: unknown };

export interface WindowOptions {
  /** How many items may be taken from the source and not yet handed to the consumer; at least 1. */
  size: number;
  /** `completed`: as they finish; `input`: in the order of the source. */
  order: 'completed' | 'input';
}

/**
 * Does `work` for each item of `source` and yields how each ended. The source is read only as far as the window allows, and a piece
 * that fails ends neither the others nor the loop. A source that throws is the caller's error: it is thrown once what was begun is yielded.
 */
export async function* throughWindow<I, T>(
  source: Iterable<I> | AsyncIterable<I>,
  work: (item: I, index: number) => Promise<T>,
  options: WindowOptions,
): AsyncGenerator<Settlement<T>, void, undefined> {
  const window = new Window<T>(options);
  const feeding = feed(source, work, window);
  // It may fail long before it is awaited below.
  feeding.catch(() => undefined);
  try {
    for (let next = await window.leave(); next !== null; next = await window.leave()) yield next;
    await feeding;
  } finally {
    window.close();
  }
}

/** Takes items while there is room. Rejects with what the source throws. */
async function feed<I, T>(
  source: Iterable<I> | AsyncIterable<I>,
  work: (item: I, index: number) => Promise<T>,
  window: Window<T>,
): Promise<void> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  try {
    for (let index = 0; await window.hasRoom(); index++) {
      const next = await items.next();
      if (next.done) return;
      if (window.isClosed) break;
      window.enter(index, work(next.value, index));
    }
    await items.return?.();
  } finally {
    window.endOfInput();
  }
}

/**
 * Filling (items enter while there is room) → draining (the input has ended; what is inside still leaves) → closed (the consumer left:
 * nobody enters any more). Both sides sleep on one promise and look again whenever anything changes.
 */
class Window<T> {
  readonly #size: number;
  readonly #inOrder: boolean;
  readonly #settled = new Map<number, Settlement<T>>();
  #state: 'filling' | 'draining' | 'closed' = 'filling';
  #inside = 0;
  #left = 0;
  #change = nextChange();

  constructor({ size, order }: WindowOptions) {
    this.#size = size;
    this.#inOrder = order === 'input';
  }

  /** Waits for room; false when nobody may enter any more. */
  async hasRoom(): Promise<boolean> {
    while (this.#state === 'filling' && this.#inside >= this.#size) await this.#change.happened;
    return this.#state === 'filling';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  enter(index: number, work: Promise<T>): void {
    this.#inside += 1;
    work.then(
      (result) => this.#settle({ index, status: 'fulfilled', result }),
      (error: unknown) => this.#settle({ index, status: 'rejected', error }),
    );
  }

  /** Waits for the next settlement that may leave; null when none is to come. */
  async leave(): Promise<Settlement<T> | null> {
    for (;;) {
      const next = this.#inOrder ? this.#settled.get(this.#left) : first(this.#settled);
      if (next) return this.#release(next);
      if (this.#state !== 'filling' && this.#inside === 0) return null;
      await this.#change.happened;
    }
  }

  endOfInput(): void {
    if (this.#state === 'filling') this.#state = 'draining';
    this.#changed();
  }

  close(): void {
    this.#state = 'closed';
    this.#changed();
  }

  #settle(settlement: Settlement<T>): void {
    this.#settled.set(settlement.index, settlement);
    this.#changed();
  }

  #release(settlement: Settlement<T>): Settlement<T> {
    this.#settled.delete(settlement.index);
    this.#inside -= 1;
    this.#left += 1;
    this.#changed();
    return settlement;
  }

  #changed(): void {
    const { happen } = this.#change;
    this.#change = nextChange();
    happen();
  }
}

function first<T>(settled: Map<number, Settlement<T>>): Settlement<T> | undefined {
  return settled.values().next().value;
}

function nextChange(): { happened: Promise<void>; happen: () => void } {
  let happen = (): void => undefined;
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  return { happened, happen };
}
