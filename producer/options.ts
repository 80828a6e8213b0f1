import { createRequire } from 'node:module';
import {
  isTlsUrl,
  parseSigningKeys,
  type RedisAddress,
  type SigningKeys,
  type TlsMaterial,
  withPassword,
} from '../protocol/index.ts';

/** Where a producer finds its queue. */
export interface ProducerOptions {
  /** `redis://` or `rediss://` URL, with user, password and database number as needed. */
  redis: string;
  /** The password of the login that the URL names, where it shall not stand in the URL. */
  redisPassword?: string;
  /** Certificates for a `rediss://` URL, as PEM texts. Default: the authorities that Node knows, and no certificate of one's own. */
  redisTls?: TlsMaterial;
  /** 32 to 256 printable characters, or up to four of those, one a line: the first signs every job. Default: jobs are not signed. */
  signingKey?: string;
  /** Default: `default`. */
  queue?: string;
  /** The only tenant that this producer submits for and looks up. Without it documents name their own, and look-ups mean `default`. */
  tenant?: string;
  /**
   * How long a call waits for Redis to be connected and to answer before it is `QueueUnavailableError`, in milliseconds,
   * 1 to 600000. Default: 1900. Waiting for results is not limited by it.
   */
  connectTimeoutMs?: number;
  /**
   * Spans for submissions and results, to whatever OpenTelemetry SDK this process has registered; the workers' spans of the same jobs
   * join them. Needs `@opentelemetry/api`, an optional peer. Default: false.
   */
  tracing?: boolean;
}

/** The options with every default filled in. */
export interface ProducerSettings {
  redis: RedisAddress;
  /** The first signs. */
  signingKeys: SigningKeys | null;
  queue: string;
  tenant: string | null;
  connectTimeoutMs: number;
  tracing: boolean;
}

const QUEUE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const TENANT = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const CONNECT_TIMEOUT_MS = 1900;
const CONNECT_TIMEOUT_MAX_MS = 600_000;

const RULES: Record<keyof ProducerOptions, { holds: (value: unknown) => boolean; expected: string }> = {
  redis: { holds: isRedisUrl, expected: 'a redis:// or rediss:// URL' },
  redisPassword: { holds: matches(/^[^\0\r\n]{1,4096}$/), expected: 'a password of 1 to 4096 characters in one line' },
  redisTls: { holds: isTlsMaterial, expected: 'PEM texts { ca?, client?: { cert, key } }' },
  signingKey: {
    holds: (value) => typeof value === 'string' && parseSigningKeys(value) !== null,
    expected: '1 to 4 keys of 32 to 256 printable characters, one a line',
  },
  queue: { holds: matches(QUEUE), expected: `a name like ${QUEUE.source}` },
  tenant: { holds: matches(TENANT), expected: `a name like ${TENANT.source}` },
  connectTimeoutMs: {
    holds: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= CONNECT_TIMEOUT_MAX_MS,
    expected: `an integer from 1 to ${CONNECT_TIMEOUT_MAX_MS} (milliseconds)`,
  },
  tracing: {
    holds: (value) => value === false || (value === true && hasTracing()),
    expected: 'false, or true with @opentelemetry/api installed',
  },
};

/** Checks the options and fills in defaults. Throws a `TypeError` naming the option that is unknown or wrong. */
export function parseOptions(options: ProducerOptions): ProducerSettings {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(RULES, name)) throw new TypeError(`createProducer: unknown option ${name}`);
    const { holds, expected } = RULES[name as keyof ProducerOptions];
    // The value is not repeated: a Redis URL may hold a password.
    if (value !== undefined && !holds(value)) throw new TypeError(`createProducer: option ${name} must be ${expected}`);
  }
  if (options.redis === undefined) throw new TypeError('createProducer: option redis is missing');
  const { queue = 'default', tenant = null, connectTimeoutMs = CONNECT_TIMEOUT_MS, tracing = false } = options;
  const { signingKey } = options;
  const signingKeys = signingKey === undefined ? null : parseSigningKeys(signingKey);
  return { redis: addressOf(options), signingKeys, queue, tenant, connectTimeoutMs, tracing };
}

function addressOf({ redis, redisPassword, redisTls }: ProducerOptions): RedisAddress {
  const url = redisPassword === undefined ? redis : withPassword(redis, redisPassword);
  if (url === null) throw new TypeError('createProducer: option redisPassword: the URL has a password already');
  if (redisTls === undefined) return { url };
  if (!isTlsUrl(url)) throw new TypeError('createProducer: option redisTls is of use with a rediss:// URL only');
  return { url, tls: redisTls };
}

function isTlsMaterial(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { ca, client, ...others } = value as { ca?: unknown; client?: unknown };
  return Object.keys(others).length === 0 && isOptionalText(ca) && (client === undefined || isClient(client));
}

function isClient(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { cert, key } = value as { cert?: unknown; key?: unknown };
  return typeof cert === 'string' && typeof key === 'string';
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function hasTracing(): boolean {
  try {
    createRequire(import.meta.url).resolve('@opentelemetry/api');
    return true;
  } catch {
    return false;
  }
}

function matches(pattern: RegExp): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && pattern.test(value);
}

function isRedisUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && ['redis:', 'rediss:'].includes(new URL(value).protocol);
}
