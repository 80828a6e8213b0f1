// Whether a job may begin here: there is a slot for it (BullMQ fetches no more), and memory. What a job may take is set aside for it until it
// ends. There is one line, and nobody passes: a large job at its head waits until those that run have ended, and small ones can't keep it
// waiting for ever. Where nothing runs and there is too little all the same, others on the host have it: the job goes back to the queue
// after a while, since another worker may have more. What the host could never hold is not begun anywhere it would wait in vain.

import { type HostMemory, reserveOf } from './memory.ts';

/** How often memory is looked at by whoever waits: it may come from others on the host, who don't tell. */
const LOOK_MS = 250;
/** How long a job waits for memory that none of ours holds. */
const PATIENCE_MS = 5_000;

/** A job that wants to begin. */
export interface Applicant {
  /** False when it should not begin here any more: the worker stops, or the lock may be gone. */
  isWanted(): boolean;
  /** What it asks for; null when nobody can say now. Asked only when memory is short. */
  need(): Promise<Need | null>;
}

export interface Need {
  /** That it may take, as its document says. */
  bytes: number;
  /** It began somewhere before: that no worker can hold it can't be said any more. */
  hasBegun: boolean;
}

export type Admitted =
  | { answer: 'seated'; seat: Seat }
  /** Not here, or not now. */
  | { answer: 'hand-back' }
  /** This host has less than the job may take, whatever else runs. */
  | { answer: 'never'; need: number; most: number };

export interface AdmissionOptions {
  /** Most that a job may take, in bytes. */
  largest: number;
  readMemory(): HostMemory;
}

/** What is set aside for one job. */
export class Seat {
  #bytes: number;
  readonly #changed: (by: number) => void;

  constructor(bytes: number, changed: (by: number) => void) {
    this.#bytes = bytes;
    this.#changed = changed;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** It turns out to need less. */
  settle(bytes: number): void {
    if (bytes >= this.#bytes) return;
    this.#changed(bytes - this.#bytes);
    this.#bytes = bytes;
  }

  /** The job has ended. */
  leave(): void {
    this.settle(0);
  }
}

/** The line of a worker. */
export class Admission {
  readonly #largest: number;
  readonly #readMemory: () => HostMemory;
  readonly #line: Applicant[] = [];
  readonly #sleepers = new Set<() => void>();
  #promised = 0;
  /** What was available when none ran. */
  #idle = 0;
  #closed = false;

  constructor({ largest, readMemory }: AdmissionOptions) {
    this.#largest = largest;
    this.#readMemory = readMemory;
  }

  /** Jobs in the line. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Waits for a seat. Throws what reading the host's memory throws. */
  async enter(applicant: Applicant): Promise<Admitted> {
    this.#line.push(applicant);
    try {
      while (this.#line[0] !== applicant) {
        if (!this.#isWanted(applicant)) return { answer: 'hand-back' };
        await this.#pause();
      }
      return await this.#seat(applicant);
    } finally {
      this.#line.splice(this.#line.indexOf(applicant), 1);
      this.#wake();
    }
  }

  /** The worker stops: whoever waits goes back. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** At the head of the line. Whoever fits whatever it asks for is seated without a question. */
  async #seat(applicant: Applicant): Promise<Admitted> {
    if (!this.#isWanted(applicant)) return { answer: 'hand-back' };
    if (this.#largest <= this.#free()) return this.#take(this.#largest);
    let emptySince: number | null = null;
    while (this.#isWanted(applicant)) {
      const need = await applicant.need();
      if (need !== null && need.bytes <= this.#free()) return this.#take(need.bytes);
      const most = this.#most();
      if (need !== null && need.bytes > most && !need.hasBegun) return { answer: 'never', need: need.bytes, most };
      if (this.#promised > 0) emptySince = null;
      else emptySince ??= performance.now();
      if (emptySince !== null && performance.now() - emptySince > PATIENCE_MS) break;
      await this.#pause();
    }
    return { answer: 'hand-back' };
  }

  #isWanted(applicant: Applicant): boolean {
    return !this.#closed && applicant.isWanted();
  }

  #take(bytes: number): Admitted {
    const seat = new Seat(bytes, (by) => {
      this.#promised += by;
      this.#wake();
    });
    this.#promised += bytes;
    return { answer: 'seated', seat };
  }

  /**
   * What is free now of what there is for jobs. What a job has not taken yet is missing in the kernel's figures, and what it has taken is
   * in them and in what was promised: so each counts for itself, and the lesser one is true.
   */
  #free(): number {
    const { available, total } = this.#readMemory();
    this.#idle = this.#promised === 0 ? available : Math.max(this.#idle, available);
    return Math.min(this.#idle - this.#promised, available) - reserveOf(total);
  }

  #most(): number {
    const { total } = this.#readMemory();
    return total - reserveOf(total);
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, LOOK_MS);
      this.#sleepers.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
