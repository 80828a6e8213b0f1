import { createRequire } from 'node:module';

/** Where a producer finds its queue. */
export interface ProducerOptions {
  /** `redis://` or `rediss://` URL, with user, password and database number as needed. */
  redis: string;
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
  redis: string;
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
  const { redis, queue = 'default', tenant = null, connectTimeoutMs = CONNECT_TIMEOUT_MS, tracing = false } = options;
  return { redis, queue, tenant, connectTimeoutMs, tracing };
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
