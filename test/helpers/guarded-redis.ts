import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { type PrivateRedis, type PrivateRedisOptions, startPrivateRedis } from '../../ops/private-redis.ts';

const MAKE_USERS = fileURLToPath(new URL('../../ops/redis/make-users.sh', import.meta.url));
const LOGINS = ['admin', 'producer', 'operator', 'worker', 'auditor', 'archiver', 'observer'] as const;

export type Login = (typeof LOGINS)[number];

/** A real Redis with the logins of `ops/redis/users.acl`, each with a password of its own in a file. */
export class GuardedRedis {
  readonly server: PrivateRedis;
  /** Holds `secrets/redis-LOGIN` and whatever a test puts there. */
  readonly directory: string;
  readonly #passwords: ReadonlyMap<Login, string>;
  readonly #connections: Redis[] = [];

  private constructor(server: PrivateRedis, directory: string, passwords: ReadonlyMap<Login, string>) {
    this.server = server;
    this.directory = directory;
    this.#passwords = passwords;
  }

  static async start(settings: PrivateRedisOptions['settings'] = {}): Promise<GuardedRedis> {
    const directory = mkdtempSync(join(tmpdir(), 'bullpen-guarded-'));
    mkdirSync(join(directory, 'secrets'), { mode: 0o700 });
    const passwords = new Map(LOGINS.map((login) => [login, randomBytes(24).toString('hex')]));
    for (const [login, password] of passwords) {
      writeFileSync(join(directory, 'secrets', `redis-${login}`), `${password}\n`, { mode: 0o600 });
    }
    const aclfile = join(directory, 'users.acl');
    writeFileSync(aclfile, execFileSync('sh', [MAKE_USERS, join(directory, 'secrets')]));
    const login = { user: 'admin', password: passwords.get('admin') ?? '' };
    const server = await startPrivateRedis({ settings: { aclfile, ...settings }, login });
    return new GuardedRedis(server, directory, passwords);
  }

  passwordOf(login: Login): string {
    return this.#passwords.get(login) ?? '';
  }

  passwordFileOf(login: Login): string {
    return join(this.directory, 'secrets', `redis-${login}`);
  }

  /** The URL with login and password. */
  urlOf(login: Login): string {
    return `redis://${login}:${this.passwordOf(login)}@127.0.0.1:${this.server.port}`;
  }

  connect(login: Login): Redis {
    const redis = new Redis(this.urlOf(login));
    redis.on('error', () => undefined);
    this.#connections.push(redis);
    return redis;
  }

  /** What was refused to whom since the last call: login, command or key, and where. */
  async refusals(): Promise<string[]> {
    const admin = this.connect('admin');
    const entries = (await admin.call('ACL', 'LOG')) as unknown[][];
    await admin.call('ACL', 'LOG', 'RESET');
    return entries.map((entry) => {
      const of = (name: string): string => String(entry[entry.indexOf(name) + 1]);
      return `${of('username')} ${of('context')} ${of('reason')} ${of('object')}`;
    });
  }

  async close(): Promise<void> {
    for (const redis of this.#connections) redis.disconnect();
    await this.server.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
