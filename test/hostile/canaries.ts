// The external oracle: fresh secrets and listeners on the host that no sandbox may touch. The program under test is never
// believed about itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';

/** An ordinary user of the host, whom the bare controls run as. */
export const NOBODY = { uid: 65_534, gid: 65_534 };

/** What a guest is told about what to look for. Its secrets it isn't told. */
export interface Targets {
  rootOnly: string;
  worldReadable: string;
  port: number;
  address: string;
  unixPath: string;
  abstract: string;
  victim: number;
}

/** Secrets in files, memory and environment; listeners; a process to hurt. */
export class Canaries {
  readonly secret = randomBytes(16).toString('hex');
  readonly targets: Targets;
  /** What the listeners heard, by their kind. */
  readonly heard = { tcp: 0, udp: 0, unix: 0, abstract: 0 };
  readonly #directory: string;
  readonly #servers: Server[];
  readonly #udp: Socket;
  readonly #victim: ChildProcess;

  private constructor(directory: string, servers: Server[], udp: Socket, victim: ChildProcess) {
    this.#directory = directory;
    this.#servers = servers;
    this.#udp = udp;
    this.#victim = victim;
    this.targets = {
      rootOnly: join(directory, 'root-only'),
      worldReadable: join(directory, 'world-readable'),
      port: portOf(servers[0]),
      address: outsideAddress(),
      unixPath: join(directory, 'socket'),
      abstract: `bullpen-canary-${randomBytes(6).toString('hex')}`,
      victim: victim.pid ?? 0,
    };
  }

  static async plant(): Promise<Canaries> {
    const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-canary-'));
    chmodSync(directory, 0o755);
    const tcp = await listening({ host: '0.0.0.0', port: 0 });
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(portOf(tcp), '0.0.0.0', resolve));
    const unix = await listening({ path: join(directory, 'socket') });
    chmodSync(join(directory, 'socket'), 0o777);
    const victim = spawn('/bin/sleep', ['3600'], { ...NOBODY, stdio: 'ignore' });
    const canaries = new Canaries(directory, [tcp, unix], udp, victim);
    await canaries.#fill();
    return canaries;
  }

  async #fill(): Promise<void> {
    const { rootOnly, worldReadable, abstract } = this.targets;
    writeFileSync(rootOnly, this.secret, { mode: 0o600 });
    writeFileSync(worldReadable, this.secret, { mode: 0o644 });
    process.env['BULLPEN_HOSTILE_CANARY'] = this.secret;
    this.#servers.push(await listening({ path: `\0${abstract}` }));
    const [tcp, unix, third] = this.#servers;
    tcp?.on('connection', (socket) => this.#count('tcp', () => socket.destroy()));
    unix?.on('connection', (socket) => this.#count('unix', () => socket.destroy()));
    third?.on('connection', (socket) => this.#count('abstract', () => socket.destroy()));
    this.#udp.on('message', () => this.#count('udp', () => undefined));
  }

  #count(kind: 'tcp' | 'udp' | 'unix' | 'abstract', then: () => void): void {
    this.heard[kind] += 1;
    then();
  }

  /** Forgets what the listeners heard: a positive control has just been heard on purpose. */
  async hush(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 30));
    Object.assign(this.heard, { tcp: 0, udp: 0, unix: 0, abstract: 0 });
  }

  /** What was touched, a line each; empty when nothing was. */
  async touched(): Promise<string[]> {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const { rootOnly, worldReadable } = this.targets;
    const changed = [rootOnly, worldReadable].filter((path) => readFileSync(path, 'utf8') !== this.secret);
    const owned = [rootOnly, worldReadable].filter((path) => statSync(path).uid !== 0);
    const heard = Object.entries(this.heard).filter(([, count]) => count > 0);
    return [
      ...changed.map((path) => `changed: ${path}`),
      ...owned.map((path) => `given away: ${path}`),
      ...heard.map(([kind, count]) => `${kind} listener: heard ${count}`),
      ...(this.#victim.exitCode === null && this.#victim.signalCode === null ? [] : ['the victim died']),
      ...(stateOf(this.targets.victim) === 'S' ? [] : ['the victim is not sleeping']),
    ];
  }

  async remove(): Promise<void> {
    this.#victim.kill('SIGKILL');
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
    await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
    delete process.env['BULLPEN_HOSTILE_CANARY'];
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function listening(at: { host?: string; port?: number; path?: string }): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => server.once('error', reject).listen(at, () => resolve(server)));
}

function portOf(server: Server | undefined): number {
  const at = server?.address();
  if (at === null || at === undefined || typeof at === 'string') throw new Error('the listener has no port');
  return at.port;
}

function outsideAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((address) => address.family === 'IPv4' && !address.internal)?.address ?? '127.0.0.2';
}

/** One letter for how a process is doing, `-` when it is gone. */
export function stateOf(pid: number): string {
  try {
    return /^State:\s*(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '-';
  } catch {
    return '-';
  }
}
