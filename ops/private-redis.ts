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
  /** More of Redis' own settings, over those that it has here. */
  settings?: Record<string, string>;
  /** Whom to ask as whether it is ready, where not everybody may. */
  login?: { user: string; password: string };
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
  const server = new RedisServer(directory, options);
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
  readonly #options: PrivateRedisOptions;
  #child: ChildProcess | null = null;
  readonly #endWithUs = () => void this.#child?.kill('SIGKILL');

  constructor(directory: string, options: PrivateRedisOptions) {
    this.directory = directory;
    this.#options = options;
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
    if (this.#options.directory === undefined) await rm(this.directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const { settings, fsync, login } = this.#options;
    const more = { ...(fsync !== undefined && { appendfsync: fsync }), ...settings };
    const child = spawn(REDIS_SERVER, serverArguments(this.directory, this.port, more), { stdio: 'ignore' });
    child.once('exit', () => {
      if (this.#child === child) this.#child = null;
    });
    await once(child, 'spawn');
    this.#child = child;
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await answers(this.port, child.pid, login))) {
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

function serverArguments(directory: string, port: number, more: Record<string, string> = {}): string[] {
  const settings: Record<string, string> = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    logfile: join(directory, 'redis.log'),
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    ...more,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** A port on 127.0.0.1 that nobody listens on, below those of outgoing connections. */
export async function findFreePort(): Promise<number> {
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
async function answers(port: number, pid: number | undefined, login?: PrivateRedisOptions['login']): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.setTimeout(500, () => socket.destroy());
  try {
    const auth = login === undefined ? '' : `AUTH ${login.user} ${login.password}\r\n`;
    socket.write(`${auth}PING\r\nINFO server\r\n`);
    let reply = '';
    for await (const chunk of socket.setEncoding('utf8')) {
      reply += chunk;
      if (reply.startsWith('-')) return false;
      const process = /process_id:(\d+)/.exec(reply);
      if (process) return /^(\+OK\r\n)?\+PONG/.test(reply) && Number(process[1]) === pid;
    }
    return false;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
