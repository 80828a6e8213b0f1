// The external oracle: fresh secrets and listeners on the host that no sandbox may touch. The program under test is never
// believed about itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PrivateRedis, startPrivateRedis } from '../../ops/private-redis.ts';
import { type SharedFiles, Witness } from './witness.ts';

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
  /** Null where this kernel has no vsock. */
  vsockPort: number | null;
  /** A name server on port 53 of this address of the host's loopback. */
  dns: string;
  redisPort: number;
  /** A key of type `user` in the worker's session keyring. */
  keyName: string;
}

const SILENCE = { tcp: 0, udp: 0, unix: 0, abstract: 0, dns: 0, vsock: 0, redis: 0 };
type Kind = keyof typeof SILENCE;

/** The parts that are planted before there is anything to tell a guest. */
interface Planted {
  directory: string;
  servers: Server[];
  datagrams: Socket[];
  victim: ChildProcess;
  witness: Witness;
  redis: RedisLink;
}

/** Secrets in files, memory, environment and the keyring; listeners; a process to hurt. */
export class Canaries {
  readonly secret: string;
  readonly targets: Targets;
  /** What the listeners heard, by their kind. */
  readonly heard = { ...SILENCE };
  /** What vsock and Redis heard on purpose. */
  #forgiven = { vsock: 0, redis: 0 };
  readonly #planted: Planted;

  private constructor(secret: string, planted: Planted) {
    const { directory, servers, datagrams, victim, witness, redis } = planted;
    this.secret = secret;
    this.#planted = planted;
    this.targets = {
      rootOnly: join(directory, 'root-only'),
      worldReadable: join(directory, 'world-readable'),
      port: portOf(servers[0]),
      address: outsideAddress(),
      unixPath: join(directory, 'socket'),
      abstract: `bullpen-canary-${randomBytes(6).toString('hex')}`,
      victim: victim.pid ?? 0,
      vsockPort: witness.vsockPort,
      dns: datagrams[1]?.address().address ?? '',
      redisPort: redis.port,
      keyName: witness.keyName,
    };
  }

  static async plant(): Promise<Canaries> {
    const secret = randomBytes(16).toString('hex');
    const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-canary-'));
    chmodSync(directory, 0o755);
    const [witness, redis] = await Promise.all([Witness.call(secret), RedisLink.open()]);
    const tcp = await listening({ host: '0.0.0.0', port: 0 });
    const datagrams = [await bound(portOf(tcp), '0.0.0.0'), await bound(53, someLoopback())];
    const unix = await listening({ path: join(directory, 'socket') });
    chmodSync(join(directory, 'socket'), 0o777);
    const victim = spawn('/bin/sleep', ['3600'], { ...NOBODY, stdio: 'ignore' });
    const canaries = new Canaries(secret, { directory, servers: [tcp, unix], datagrams, victim, witness, redis });
    await canaries.#fill();
    return canaries;
  }

  async #fill(): Promise<void> {
    const { rootOnly, worldReadable, abstract } = this.targets;
    const { servers, datagrams } = this.#planted;
    writeFileSync(rootOnly, this.secret, { mode: 0o600 });
    writeFileSync(worldReadable, this.secret, { mode: 0o644 });
    process.env['BULLPEN_HOSTILE_CANARY'] = this.secret;
    servers.push(await listening({ path: `\0${abstract}` }));
    for (const [index, kind] of (['tcp', 'unix', 'abstract'] as const).entries()) {
      servers[index]?.on('connection', (socket) => this.#count(kind, () => socket.destroy()));
    }
    for (const [index, kind] of (['udp', 'dns'] as const).entries()) {
      datagrams[index]?.on('message', () => this.#count(kind, () => undefined));
    }
  }

  #count(kind: Kind, then: () => void): void {
    this.heard[kind] += 1;
    then();
  }

  /** Whether this host has what each canary is made of. */
  get complete(): { key: boolean; vsock: boolean } {
    return { key: this.#planted.witness.hasKey, vsock: this.targets.vsockPort !== null };
  }

  /** The files that all jobs share, as they are now. */
  async sharedFiles(): Promise<SharedFiles> {
    return (await this.#planted.witness.report()).hashes;
  }

  /** Forgets what the listeners heard: a positive control has just been heard on purpose. */
  async hush(): Promise<void> {
    await this.#listen();
    this.#forgiven = { vsock: this.#forgiven.vsock + this.heard.vsock, redis: this.#forgiven.redis + this.heard.redis };
    Object.assign(this.heard, SILENCE);
  }

  /** What was touched, a line each; empty when nothing was. */
  async touched(): Promise<string[]> {
    const key = await this.#listen();
    const { rootOnly, worldReadable, victim } = this.targets;
    const files = [rootOnly, worldReadable].flatMap((path) => [
      ...(readFileSync(path, 'utf8') === this.secret ? [] : [`changed: ${path}`]),
      ...(statSync(path).uid === 0 ? [] : [`given away: ${path}`]),
    ]);
    const heard = Object.entries(this.heard).filter(([, count]) => count > 0);
    const { exitCode, signalCode } = this.#planted.victim;
    return [
      ...files,
      ...heard.map(([kind, count]) => `${kind} listener: heard ${count}`),
      ...(exitCode === null && signalCode === null ? [] : ['the victim died']),
      ...(stateOf(victim) === 'S' ? [] : ['the victim is not sleeping']),
      ...(key === null || key === this.secret ? [] : [`the key: ${key}`]),
    ];
  }

  /** Gives late messages time to arrive, asks those who count elsewhere, and returns what the key holds. */
  async #listen(): Promise<string | null> {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const { vsock, key } = await this.#planted.witness.report();
    this.heard.vsock = vsock - this.#forgiven.vsock;
    this.heard.redis = (await this.#planted.redis.strangers()) - this.#forgiven.redis;
    return key;
  }

  async remove(): Promise<void> {
    const { directory, servers, datagrams, victim, witness, redis } = this.#planted;
    victim.kill('SIGKILL');
    await Promise.all([witness.dismiss(), redis.close()]);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    await Promise.all(datagrams.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
    delete process.env['BULLPEN_HOSTILE_CANARY'];
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A Redis with one client, this process, as a worker has one. */
class RedisLink {
  readonly #redis: PrivateRedis;
  readonly #socket: ReturnType<typeof connect>;
  #known = 0;

  private constructor(redis: PrivateRedis) {
    this.#redis = redis;
    this.#socket = connect({ host: '127.0.0.1', port: redis.port });
  }

  static async open(): Promise<RedisLink> {
    const link = new RedisLink(await startPrivateRedis());
    link.#known = await link.#received();
    return link;
  }

  get port(): number {
    return this.#redis.port;
  }

  /** Connections since ours. */
  async strangers(): Promise<number> {
    return (await this.#received()) - this.#known;
  }

  #received(): Promise<number> {
    return new Promise((resolve, reject) => {
      let answer = '';
      const read = (chunk: Buffer) => {
        answer += chunk;
        const count = /total_connections_received:(\d+)\r/.exec(answer)?.[1];
        if (count === undefined) return;
        this.#socket.off('data', read).off('error', reject);
        resolve(Number(count));
      };
      this.#socket.on('data', read).once('error', reject).write('INFO stats\r\n');
    });
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.#redis.stop();
  }
}

function bound(port: number, address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => socket.once('error', reject).bind(port, address, () => resolve(socket)));
}

/** An address of the loopback that nobody else is likely to use at the same time. */
function someLoopback(): string {
  return `127.${[...randomBytes(3)].map((byte) => 1 + (byte % 254)).join('.')}`;
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
