import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { type Keys, keysOf } from './keys.ts';
import type { Reply } from './reply.ts';

const NAMES = [
  'accept',
  'admit',
  'append',
  'begin',
  'bury',
  'cancel',
  'commit',
  'deregister',
  'limit',
  'register',
  'release',
  'retry',
  'store',
  'sweep',
  'yield',
  'tenant',
] as const;
const INCLUDE = /^--- include ([a-z]+)$/gm;

export type ScriptName = (typeof NAMES)[number];

/** A script as Redis gets it: parts put in, with the SHA-1 by which Redis knows it. */
export interface Script {
  readonly name: ScriptName;
  readonly source: string;
  readonly sha1: string;
}

/** All scripts by name. */
export const SCRIPTS: Readonly<Record<ScriptName, Script>> = loadScripts();

/** One queue in one Redis: what every call of the protocol acts on. */
export class QueueRedis {
  readonly redis: Redis;
  readonly keys: Keys;

  constructor(redis: Redis, queue: string) {
    this.redis = redis;
    this.keys = keysOf(queue);
  }

  /**
   * Runs a script: by its hash, and with its text where Redis doesn't know it (a restart, SCRIPT FLUSH).
   * The command is sent before this returns, so that calls made in order reach Redis in order.
   */
  async run(name: ScriptName, args: (string | number | Uint8Array)[]): Promise<Reply> {
    const { sha1, source } = SCRIPTS[name];
    const rest = [1, this.keys.prefix, ...args.map(asArgument)];
    try {
      return (await this.redis.callBuffer('EVALSHA', [sha1, ...rest])) as Reply;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return (await this.redis.callBuffer('EVAL', [source, ...rest])) as Reply;
    }
  }
}

function asArgument(value: string | number | Uint8Array): string | number | Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

function loadScripts(): Record<ScriptName, Script> {
  const entries = NAMES.map((name): [ScriptName, Script] => {
    const source = read(name).replace(INCLUDE, (_line, part: string) => read(`parts/${part}`).trimEnd());
    return [name, { name, source, sha1: createHash('sha1').update(source).digest('hex') }];
  });
  return Object.fromEntries(entries) as Record<ScriptName, Script>;
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}
