// A Redis of one's own: for tests, the quickstart and benchmarks. Never for serving real producers.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const REDIS_SERVER = '/usr/bin/redis-server';
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const PORT_ATTEMPTS = 20;
// Below Linux' ephemeral range (32768–60999): nobody's outgoing connection takes the port while Redis is being restarted.
const FIRST_PORT = 20_000;
const PORTS = 12_000;

export interface PrivateRedisOptions {
  /** Where data and log lie. Default: a fresh directory under the system's temporary one, removed by `stop()`. */
  directory?: string;
  /** TCP port on 127.0.0.1. Default: a free one. */
  port?: number;
  /** When its log is on the disk: before each answer (`always`), or once a second (`everysec`, the default). */
  fsync?: 'always' | 'everysec';
}

export interface PrivateRedis {
  readonly url: string;
  readonly port: number;
  readonly directory: string;
  /** Process id of the running server; it changes with `restart()`. */
  readonly pid: number;
  /** Ends the server in order and removes its directory if it was made here. Safe to call twice. */
  stop(): Promise<void>;
  /** Sends a signal to the server; for a signal that ends it, returns once it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts the server again with the same port and data, after ending it in order if it still runs. */
  restart(): Promise<void>;
}

/**
 * Starts Debian's redis-server on 127.0.0.1 with AOF and `noeviction`, and waits until it answers.
 * Throws when the binary is missing (with the remedy) or when the server does not come up in a minute (with its log).
 */
export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  if (!existsSync(REDIS_SERVER)) {
    throw new Error(`${REDIS_SERVER} is missing. Remedy: apt-get install redis-server`);
  }
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'bullpen-redis-')));
  const server = new RedisServer(directory, options.directory === undefined, options.fsync ?? 'everysec');
  try {
    await server.startSomewhere(options.port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class RedisServer implements PrivateRedis {
  readonly directory: string;
  port = 0;
  readonly #ownsDirectory: boolean;
  readonly #fsync: 'always' | 'everysec';
  #child: ChildProcess | null = null;
  readonly #endWithUs = () => void this.#child?.kill('SIGKILL');

  constructor(directory: string, ownsDirectory: boolean, fsync: 'always' | 'everysec') {
    this.directory = directory;
    this.#ownsDirectory = ownsDirectory;
    this.#fsync = fsync;
    process.on('exit', this.#endWithUs);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the private Redis is not running');
    return pid;
  }

  async startSomewhere(port: number | undefined): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.port = port ?? (await findFreePort());
      try {
        return await this.#start();
      } catch (error) {
        // Between the probe and Redis' own bind someone else may have taken the port.
        if (port !== undefined || attempt === PORT_ATTEMPTS || (await canBind(this.port))) throw error;
      }
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return void child.kill(signal);
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async restart(): Promise<void> {
    await this.#end();
    await this.#start();
  }

  async stop(): Promise<void> {
    await this.#end();
    process.off('exit', this.#endWithUs);
    if (this.#ownsDirectory) await rm(this.directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const child = spawn(REDIS_SERVER, serverArguments(this.directory, this.port, this.#fsync), { stdio: 'ignore' });
    child.once('exit', () => {
      if (this.#child === child) this.#child = null;
    });
    await once(child, 'spawn');
    this.#child = child;
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await answers(this.port, child.pid))) {
      if (this.#child === null) throw new Error(`redis-server ended while starting: ${await this.#logTail()}`);
      if (Date.now() > deadline) throw new Error(`redis-server is not ready after a minute: ${await this.#logTail()}`);
      await sleep(10);
    }
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const forced = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    child.kill('SIGCONT');
    await this.kill('SIGTERM');
    clearTimeout(forced);
  }

  async #logTail(): Promise<string> {
    const log = await readFile(join(this.directory, 'redis.log'), 'utf8').catch(() => 'no log');
    return log.trim().split('\n').slice(-5).join(' | ');
  }
}

function serverArguments(directory: string, port: number, fsync: string): string[] {
  const settings: Record<string, string> = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    logfile: join(directory, 'redis.log'),
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: fsync,
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await canBind(port)) return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${FIRST_PORT + PORTS - 1}`);
}

async function canBind(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

/** True when the server on this port answers PING and is the process we started, not another one on the same port. */
async function answers(port: number, pid: number | undefined): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.setTimeout(500, () => socket.destroy());
  try {
    socket.write('PING\r\nINFO server\r\n');
    let reply = '';
    for await (const chunk of socket.setEncoding('utf8')) {
      reply += chunk;
      if (reply.startsWith('-')) return false;
      const process = /process_id:(\d+)/.exec(reply);
      if (process) return reply.startsWith('+PONG') && Number(process[1]) === pid;
    }
    return false;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
