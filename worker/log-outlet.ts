// Where log lines go: at once, and never at the price of the worker. A pipe or socket that nobody reads is full some day, and whoever writes
// to it then stands still, locks and all: lines that don't fit are dropped, and counted in the next one that does.

import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** Takes whole lines. */
export class LogOutlet {
  readonly #descriptor: number;
  readonly #socket: Socket | null;
  /** What is left of a line that went out in part. */
  #rest: Buffer = Buffer.alloc(0);
  #dropped = 0;
  #closed = false;

  /** Of a descriptor of this process. A pipe is opened once more so that it doesn't block, a socket is given to Node; a file stays as it is. */
  constructor(descriptor: number) {
    const facts = fstatSync(descriptor);
    this.#descriptor = (facts.isFIFO() ? reopenPipe(descriptor) : null) ?? descriptor;
    this.#socket = facts.isSocket() ? new Socket({ fd: descriptor, readable: false, writable: true }) : null;
    this.#socket?.unref().on('error', () => {
      this.#closed = true;
    });
  }

  /** Writes a line, or drops it. Throws nothing: nobody could be told. */
  write(line: string): void {
    if (this.#closed) return;
    const goes = this.#isClear() && this.#tellDropped() && this.#isClear() && this.#send(Buffer.from(line));
    if (!goes) this.#dropped += 1;
  }

  /** True when no part of a line is left to go first. */
  #isClear(): boolean {
    if (this.#socket !== null) return this.#socket.writableLength === 0;
    return this.#rest.length === 0 || (this.#send(this.#rest) && this.#rest.length === 0);
  }

  #tellDropped(): boolean {
    if (this.#dropped === 0) return true;
    const facts = { level: 40, time: new Date().toISOString(), pid: process.pid, dropped: this.#dropped };
    const line = { ...facts, msg: 'lines of this log were dropped: nobody read them' };
    if (!this.#send(Buffer.from(`${JSON.stringify(line)}\n`))) return false;
    this.#dropped = 0;
    return true;
  }

  /** True when it went out, if only in part: what is left goes before anything else. */
  #send(bytes: Buffer): boolean {
    if (this.#socket !== null) {
      this.#socket.write(bytes);
      return true;
    }
    try {
      this.#rest = bytes.subarray(writeSync(this.#descriptor, bytes));
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      if (code !== 'EAGAIN') this.#closed = true; // its other end is gone
      return false;
    }
  }
}

function reopenPipe(descriptor: number): number | null {
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}
