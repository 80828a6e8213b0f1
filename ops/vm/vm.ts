// An emulated host of another kind: Debian 12's own kernel, cgroup v2 alone. It runs commands, one after another, and tells their ends.

import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { Lines } from './lines.ts';
import { type Images, type Kind, qemuArguments } from './qemu.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';
// A boot takes 3 to 6 s; on a machine that has other work, several times as long.
const READY_WITHIN_MS = 30_000;
const BOOT_ATTEMPTS = 3;
// What the host grants an answer beyond the time that the command itself was given.
const ANSWER_GRACE_MS = 10_000;
const CONSOLE_TAIL_CHARS = 4000;
const ROOTLESS_CGROUP = '/sys/fs/cgroup/delegated/session';

/** A program to run in the guest. */
export interface Command {
  argv: string[];
  /** Added to PATH, HOME, LANG and TMPDIR. */
  env?: Record<string, string>;
  /** `rootless` is uid 1001, in the part of the cgroup tree that was delegated to it. Default: `root`. */
  user?: 'root' | 'rootless';
  /** Directory of the cgroup that it is started in. Default: the root, for `rootless` its own `delegated/session`. */
  cgroup?: string;
  /** Killed with its process group after this. Default: 30 s. */
  timeoutMs?: number;
  /** Of each stream the last so many bytes are kept. Default: 256 KiB. */
  maxOutputBytes?: number;
}

/** How a command ended: by a status or by a signal. */
export interface Ran {
  status: number | null;
  signal: number | null;
  timedOut: boolean;
  stdout: string;
  stderr: string;
  /** By the guest's clock. */
  ms: number;
}

type Qemu = ChildProcessByStdio<Writable, Readable, Readable>;

export class Vm implements AsyncDisposable {
  /** From starting QEMU until the guest could run commands; of the attempt that came up. */
  bootMs = 0;
  /** How many boots it took. */
  attempts = 0;
  /** What it was booted from. */
  readonly images: Images;
  readonly #directory = mkdtempSync(join(tmpdir(), 'bullpen-vm-'));
  readonly #qemu: Qemu;
  readonly #lines: Lines;
  readonly #lifetime: NodeJS.Timeout;
  #said = '';

  private constructor(images: Images, kind: Kind, lifetimeMs: number) {
    this.images = images;
    const args = qemuArguments(images, kind, this.#console);
    // It dies with this process, even if that is killed.
    this.#qemu = spawn('setpriv', ['--pdeathsig', 'KILL', QEMU, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#qemu.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-CONSOLE_TAIL_CHARS);
    });
    // Writing to a machine that has died: the end of its stdout tells the same.
    this.#qemu.stdin.on('error', () => {});
    this.#lines = new Lines(this.#qemu.stdout);
    this.#lifetime = setTimeout(() => this.#qemu.kill('SIGKILL'), lifetimeMs);
  }

  /**
   * Boots a machine, again if a boot hangs, three times at most. It is killed `lifetimeMs` after it was started, whatever it is doing.
   * Throws with the console of the last boot.
   */
  static async boot(images: Images, o: { cgroups: 'v1' | 'v2'; lifetimeMs: number }): Promise<Vm> {
    const kind = { cgroups: o.cgroups, tscKhz: Number(execFileSync(images.tscKhz, { encoding: 'utf8' })) };
    for (let attempt = 1; ; attempt++) {
      const vm = new Vm(images, kind, o.lifetimeMs);
      try {
        await vm.#ready();
        vm.attempts = attempt;
        return vm;
      } catch (error) {
        const hung = vm.#lives;
        await vm.close();
        if (!hung || attempt === BOOT_ATTEMPTS) throw error;
      }
    }
  }

  /** Runs one command to its end. Throws when the machine gives no answer or could not start it; see `Ran` for how it ended. */
  async run(command: Command): Promise<Ran> {
    const { argv, env = {}, user = 'root', timeoutMs = 30_000, maxOutputBytes = 256 * 1024 } = command;
    const cgroup = command.cgroup ?? (user === 'root' ? null : ROOTLESS_CGROUP);
    this.#qemu.stdin.write(`${JSON.stringify({ argv, env, user, cgroup, timeoutMs, maxOutputBytes })}\n`);
    const answer = await this.#answer(timeoutMs + ANSWER_GRACE_MS, argv.join(' '));
    if (typeof answer.error === 'string') throw new Error(`${argv[0]} was not started in the VM: ${answer.error}`);
    const decode = (base64: unknown) => Buffer.from(String(base64), 'base64').toString();
    return { ...answer, stdout: decode(answer.stdout), stderr: decode(answer.stderr) } as Ran;
  }

  /** Ends the machine; nothing of it is left. */
  async close(): Promise<void> {
    clearTimeout(this.#lifetime);
    if (this.#lives) {
      const ended = new Promise((resolve) => this.#qemu.once('close', resolve));
      this.#qemu.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ready(): Promise<void> {
    const begun = performance.now();
    const { ready } = await this.#answer(READY_WITHIN_MS, 'booting');
    if (ready !== true) throw this.#failure('booting', 'the guest began with something else than that it is ready');
    this.bootMs = Math.round(performance.now() - begun);
  }

  async #answer(withinMs: number, doing: string): Promise<Record<string, unknown>> {
    const line = await this.#lines.next(withinMs).catch((error: Error) => {
      throw this.#failure(doing, error.message);
    });
    return JSON.parse(line) as Record<string, unknown>;
  }

  #failure(doing: string, why: string): Error {
    return new Error(`VM, ${doing}: ${why}\n${this.#said}\n${this.#consoleTail()}`);
  }

  get #lives(): boolean {
    return this.#qemu.exitCode === null && this.#qemu.signalCode === null;
  }

  get #console(): string {
    return join(this.#directory, 'console');
  }

  #consoleTail(): string {
    try {
      return readFileSync(this.#console, 'utf8').slice(-CONSOLE_TAIL_CHARS);
    } catch {
      return 'no console';
    }
  }
}
