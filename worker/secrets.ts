// What a worker reads from files beside its configuration: passwords, keys, certificates. Read once, before privileges go.

import {
  isTlsUrl,
  PEM_MAX_BYTES,
  parseSigningKeys,
  type RedisAddress,
  readSecretFile,
  readSecretLine,
  type SecretFile,
  SecretFileError,
  type SigningKeys,
  type TlsMaterial,
  withPassword,
} from '../protocol/index.ts';
import type { RedisTls } from '../schemas/types.ts';
import { ConfigError, type Settings } from './config.ts';

export interface Secrets {
  redis: RedisAddress;
  /** Null: jobs need no signature. */
  signingKeys: SigningKeys | null;
  /** What the operator should hear of the files. */
  warnings: string[];
}

/** Throws ConfigError, naming the field and the file's rule, never what is in it. */
export function readSecrets(settings: Settings): Secrets {
  const warnings = [...settings.warnings];
  const take = (field: string, read: () => SecretFile): string => {
    const { text, warning } = named(field, read);
    if (warning !== null) warnings.push(warning);
    return text;
  };
  const { redisPasswordFile, signingKeyFile } = settings;
  const password = redisPasswordFile && take('redisPasswordFile', () => readSecretLine(redisPasswordFile));
  const keys = signingKeyFile && take('signingKeyFile', () => readSecretFile(signingKeyFile));
  return {
    redis: { url: urlOf(settings, password), ...tlsOf(settings, take) },
    signingKeys: keys === undefined ? null : signingKeys(keys),
    warnings,
  };
}

function urlOf({ redis }: Settings, password: string | undefined): string {
  if (password === undefined) return redis;
  const url = withPassword(redis, password);
  if (url !== null) return url;
  throw refusal('redisPasswordFile', 'exactly-one-of', 'redis has a password already: keep one of the two');
}

function tlsOf(
  { redis, redisTls }: Settings,
  take: (field: string, read: () => SecretFile) => string,
): { tls?: TlsMaterial } {
  if (redisTls === undefined) return {};
  if (!isTlsUrl(redis)) throw refusal('redisTls', 'tls', 'is of use with a redis that begins with rediss:// only');
  return { tls: readTls(redisTls, (field, path) => take(field, () => readSecretFile(path, PEM_MAX_BYTES))) };
}

/** Certificates are public: only of the key does it matter who may read it. */
function readTls({ caFile, client }: RedisTls, read: (field: string, path: string) => string): TlsMaterial {
  const certificate = (field: string, path: string) => named(field, () => readSecretFile(path, PEM_MAX_BYTES)).text;
  return {
    ...(caFile !== undefined && { ca: certificate('redisTls.caFile', caFile) }),
    ...(client !== undefined && {
      client: {
        cert: certificate('redisTls.client.certFile', client.certFile),
        key: read('redisTls.client.keyFile', client.keyFile),
      },
    }),
  };
}

function signingKeys(text: string): SigningKeys {
  const keys = parseSigningKeys(text);
  if (keys !== null) return keys;
  const rule = 'must hold 1 to 4 keys, one a line, each of 32 to 256 printable characters';
  throw refusal('signingKeyFile', 'signing-key', rule);
}

function named(field: string, read: () => SecretFile): SecretFile {
  try {
    return read();
  } catch (error) {
    if (error instanceof SecretFileError) throw refusal(field, 'file', error.message);
    throw error;
  }
}

function refusal(path: string, rule: string, message: string): ConfigError {
  return new ConfigError('the configuration', [{ path, rule, message }]);
}
