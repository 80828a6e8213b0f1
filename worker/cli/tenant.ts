// `bullpen-worker tenant`: weights and caps while all runs. The operator's, who may write to Redis; a tenant can't raise its own.

import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import {
  ALL_TENANTS,
  EVERY_TENANT,
  type LimitWords,
  Protocol,
  TENANT_LIMITS,
  type TenantLimit,
} from '../../protocol/index.ts';
import { parseWorkerConfig } from '../../schemas/parse.ts';
import { loadSettings, type Settings } from '../config.ts';
import { EXIT } from './exit-code.ts';
import { printLine } from './streams.ts';
import { FLAG_OF, tableOfAll, tableOfOne } from './tenant-table.ts';
import { UsageError } from './usage.ts';

const REDIS_TIMEOUT_MS = 5_000;

const OPTIONS = {
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
  every: { type: 'boolean', default: false },
  total: { type: 'boolean', default: false },
  ...Object.fromEntries(Object.values(FLAG_OF).map((flag) => [flag, { type: 'string' as const }])),
} as const;

/** What was asked, checked. */
interface Call {
  verb: string;
  /** A tenant, or what stands for every tenant or for all; null where none is named. */
  name: string | null;
  words: LimitWords;
  config: string | null;
  json: boolean;
}

/** Runs one of `list`, `show`, `set` and `reset`; answers the exit code. Throws UsageError. */
export async function governTenants(argv: string[]): Promise<number> {
  const call = read(argv);
  const settings = loadSettings(call.config, process.env);
  const redis = connect(settings);
  let reason = '';
  redis.on('error', (error) => {
    reason = error.message;
  });
  try {
    await redis.connect();
    return await act(call, new Protocol(redis, settings.queue));
  } catch (error) {
    process.stderr.write(`bullpen-worker: Redis: ${reason || (error instanceof Error ? error.message : error)}\n`);
    return EXIT.redis;
  } finally {
    redis.disconnect();
  }
}

function connect({ redis }: Settings): Redis {
  const times = { connectTimeout: REDIS_TIMEOUT_MS, commandTimeout: REDIS_TIMEOUT_MS };
  return new Redis(redis, { lazyConnect: true, ...times, maxRetriesPerRequest: 0, retryStrategy: () => null });
}

async function act({ verb, name, words, json }: Call, protocol: Protocol): Promise<number> {
  if (name === null) {
    const names = [EVERY_TENANT, ...(await protocol.listTenants()), ALL_TENANTS];
    const standings = await Promise.all(names.map((one) => protocol.readTenant(one)));
    await printLine(json ? JSON.stringify(standings) : tableOfAll(standings));
    return EXIT.ok;
  }
  if (verb !== 'show') {
    const answer = await protocol.limitTenant(name, words);
    if (answer.answer === 'too-many') {
      process.stderr.write(`bullpen-worker: ${answer.limit} tenants have limits of their own already: reset some\n`);
      return EXIT.refused;
    }
  }
  const standing = await protocol.readTenant(name);
  await printLine(json ? JSON.stringify(standing) : tableOfOne(standing));
  return EXIT.ok;
}

function read(argv: string[]): Call {
  const { values, positionals } = parse(argv);
  const [verb, named, ...more] = positionals;
  if (verb === undefined || !['list', 'show', 'set', 'reset'].includes(verb)) {
    throw new UsageError('tenant does one of list, show, set, reset');
  }
  const names = [named, values['every'] ? EVERY_TENANT : undefined, values['total'] ? ALL_TENANTS : undefined];
  const given = names.filter((name) => name !== undefined);
  if (more.length > 0 || given.length !== (verb === 'list' ? 0 : 1)) {
    throw new UsageError(verb === 'list' ? 'list takes no name' : `${verb} takes one of NAME, --every, --total`);
  }
  const name = given[0] ?? null;
  const said = readLimits(values);
  if (Object.keys(said).length > 0 !== (verb === 'set')) {
    throw new UsageError(verb === 'set' ? 'set takes a weight or a cap' : `${verb} takes no weight and no cap`);
  }
  if (name !== null) check(name, said, named !== undefined);
  const words = verb === 'reset' ? Object.fromEntries(TENANT_LIMITS.map((limit) => [limit, 'unsaid' as const])) : said;
  return { verb, name, words, config: text(values['config']), json: values['json'] === true };
}

function parse(argv: string[]): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: argv, options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readLimits(values: Record<string, unknown>): Partial<Record<TenantLimit, number | null>> {
  const said = TENANT_LIMITS.flatMap((limit) => {
    const word = text(values[FLAG_OF[limit]]);
    if (word === null) return [];
    if (word !== 'none' && !/^\d{1,15}$/.test(word)) {
      throw new UsageError(`--${FLAG_OF[limit]} must be a whole number${limit === 'weight' ? '' : ' or none'}`);
    }
    return [[limit, word === 'none' ? null : Number(word)] as const];
  });
  return Object.fromEntries(said);
}

/** The rules of the configuration hold for what is said live, too. */
function check(name: string, said: object, isTenant: boolean): void {
  const tenants = isTenant ? { named: { [name]: said } } : name === EVERY_TENANT ? { every: said } : { total: said };
  const parsed = parseWorkerConfig(JSON.stringify({ version: 1, tenants }));
  if (parsed.ok) return;
  const lines = parsed.issues.map(({ message, rule }) => `${message} [${rule}]`);
  throw new UsageError(lines.join('; '));
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
