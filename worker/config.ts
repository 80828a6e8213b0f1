// A worker's configuration: a file, over it the environment, checked by the door. Behind it nothing is optional.

import { readFileSync } from 'node:fs';
import { readSecretLine, type SecretFile, SecretFileError } from '../protocol/secret-file.ts';
import { type CompleteWorkerConfig, completeWorkerConfig } from '../schemas/defaults.ts';
import { type Issue, parseWorkerConfig } from '../schemas/parse.ts';
import type { Http, WorkerConfig } from '../schemas/types.ts';

/** Everything a worker needs to know before it starts; what the document leaves out is filled in. */
export interface Settings extends CompleteWorkerConfig {
  /** Whether anyone said where Redis is; otherwise it is the default. */
  redisIsConfigured: boolean;
  /** What the operator should hear of the files that this was read from. */
  warnings: string[];
  /** The document as it was written and checked: what the native layer opens with and completes by itself. */
  document: WorkerConfig;
}

/** The configuration can't be used: names each field, the rule it breaks and where the value came from. */
export class ConfigError extends Error {
  readonly code = 'invalid-config';
  readonly issues: readonly Issue[];

  constructor(source: string, issues: readonly Issue[]) {
    const lines = issues.map(
      ({ path, rule, message }) => `  ${path === '' ? '(document)' : path}: ${message} [${rule}]`,
    );
    super(`${source} is not a valid worker configuration:\n${lines.join('\n')}`);
    this.issues = issues;
  }
}

interface EnvironmentField {
  name: string;
  field: keyof WorkerConfig;
  kind: 'text' | 'integer' | 'address';
}

/** The scalars that the environment may set, over what the file says. */
const ENVIRONMENT: readonly EnvironmentField[] = [
  { name: 'BULLPEN_REDIS', field: 'redis', kind: 'text' },
  { name: 'BULLPEN_REDIS_PASSWORD_FILE', field: 'redisPasswordFile', kind: 'text' },
  { name: 'BULLPEN_SIGNING_KEY_FILE', field: 'signingKeyFile', kind: 'text' },
  { name: 'BULLPEN_QUEUE', field: 'queue', kind: 'text' },
  { name: 'BULLPEN_SLOTS', field: 'slots', kind: 'integer' },
  { name: 'BULLPEN_DRAIN_MS', field: 'drainMs', kind: 'integer' },
  { name: 'BULLPEN_LOCK_MS', field: 'lockMs', kind: 'integer' },
  { name: 'BULLPEN_STALLED_MS', field: 'stalledMs', kind: 'integer' },
  { name: 'BULLPEN_RESULT_TTL_MS', field: 'resultTtlMs', kind: 'integer' },
  { name: 'BULLPEN_HTTP', field: 'http', kind: 'address' },
  { name: 'BULLPEN_LOG_LEVEL', field: 'logLevel', kind: 'text' },
  { name: 'BULLPEN_RUN_DIR', field: 'runDir', kind: 'text' },
];

/** Holds a secret in a file instead of in the environment. */
const SECRET_FILE = { name: 'BULLPEN_REDIS_FILE', instead: 'BULLPEN_REDIS' } as const;

const TLS_FILES = ['BULLPEN_REDIS_CA_FILE', 'BULLPEN_REDIS_CERT_FILE', 'BULLPEN_REDIS_KEY_FILE'] as const;
const NAMES: readonly string[] = [...ENVIRONMENT.map(({ name }) => name), SECRET_FILE.name, ...TLS_FILES];

/**
 * Reads the configuration: the file of `path` or else of BULLPEN_CONFIG, if any, then the environment.
 * Throws ConfigError; a file that can't be read is one too.
 */
export function loadSettings(path: string | null, env: NodeJS.ProcessEnv): Settings {
  const file = path ?? env['BULLPEN_CONFIG'] ?? null;
  const fromFile = file === null ? '{"version":1}' : readText(file, 'config');
  const checked = check(fromFile, file ?? 'the configuration');
  const secret = readSecretUrl(env);
  const overrides = { ...readEnvironment(env), ...readTlsEnvironment(env), ...(secret && { redis: secret.text }) };
  const warnings = secret?.warning ? [secret.warning] : [];
  if (Object.keys(overrides).length === 0) return settle(checked, warnings);
  const names = NAMES.filter((name) => env[name] !== undefined).join(', ');
  return settle(check(JSON.stringify({ ...checked, ...overrides }), `the configuration with ${names}`), warnings);
}

function check(text: string, source: string): WorkerConfig {
  const parsed = parseWorkerConfig(text);
  if (!parsed.ok) throw new ConfigError(source, parsed.issues);
  return parsed.value;
}

function readEnvironment(env: NodeJS.ProcessEnv): Partial<Record<keyof WorkerConfig, string | number | Http>> {
  const overrides: Partial<Record<keyof WorkerConfig, string | number | Http>> = {};
  for (const { name, field, kind } of ENVIRONMENT) {
    const text = env[name];
    if (text !== undefined) overrides[field] = READERS[kind](name, text);
  }
  return overrides;
}

/** The URL of Redis from the file that BULLPEN_REDIS_FILE names. */
function readSecretUrl(env: NodeJS.ProcessEnv): SecretFile | null {
  const path = env[SECRET_FILE.name];
  if (path === undefined) return null;
  if (env[SECRET_FILE.instead] !== undefined) {
    const message = `${SECRET_FILE.instead} and ${SECRET_FILE.name} are both set: keep one`;
    throw new ConfigError('the environment', [{ path: 'redis', rule: 'exactly-one-of', message }]);
  }
  try {
    return readSecretLine(path);
  } catch (error) {
    if (!(error instanceof SecretFileError)) throw error;
    throw new ConfigError('the environment', [{ path: SECRET_FILE.name, rule: 'file', message: error.message }]);
  }
}

/** What the environment says of TLS goes before all that the file says of it. */
function readTlsEnvironment(env: NodeJS.ProcessEnv): { redisTls?: unknown } {
  const { BULLPEN_REDIS_CA_FILE: caFile, BULLPEN_REDIS_CERT_FILE: certFile, BULLPEN_REDIS_KEY_FILE: keyFile } = env;
  const client = certFile === undefined && keyFile === undefined ? undefined : { certFile, keyFile };
  return caFile === undefined && client === undefined ? {} : { redisTls: { caFile, client } };
}

const READERS = { text: (_name: string, text: string) => text, integer: readInteger, address: readAddress };

/** `HOST:PORT` (an IPv6 address in brackets or not) or `unix:/PATH`; what is in it the schema judges. */
function readAddress(name: string, text: string): Http {
  if (text.startsWith('unix:')) return { socket: text.slice('unix:'.length) };
  const [, host = '', port] = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (port !== undefined) return { host, port: Number(port) };
  throw new ConfigError('the environment', [{ path: name, rule: 'type', message: 'must be HOST:PORT or unix:/PATH' }]);
}

function readInteger(name: string, text: string): number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  throw new ConfigError('the environment', [{ path: name, rule: 'type', message: 'must be a decimal integer' }]);
}

function readText(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new ConfigError(path, [{ path: field, rule: 'file', message: `can't be read: ${code}` }]);
  }
}

function settle(document: WorkerConfig, warnings: string[]): Settings {
  const redisIsConfigured = document.redis !== undefined;
  return { ...completeWorkerConfig(document), redisIsConfigured, warnings, document };
}
