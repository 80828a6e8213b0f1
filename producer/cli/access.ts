// How a command gets into Redis: a URL from the command line or the environment, and secrets from files that the environment names.

import {
  PEM_MAX_BYTES,
  readSecretFile,
  readSecretLine,
  type SecretFile,
  SecretFileError,
  type TlsMaterial,
} from '../../protocol/index.ts';
import type { ProducerOptions } from '../options.ts';
import { UsageError } from './usage-error.ts';

type Access = Pick<ProducerOptions, 'redis' | 'redisPassword' | 'redisTls' | 'signingKey'>;

/** Reads what is named; `url` goes before the environment. Throws UsageError naming the variable, never what a file holds. */
export function readAccess(url: string | undefined, env: NodeJS.ProcessEnv): { options: Access; warnings: string[] } {
  const files = new NamedFiles(env);
  const fromFile = url === undefined ? files.secret('BULLPEN_REDIS_FILE', readSecretLine) : undefined;
  if (fromFile !== undefined && env['BULLPEN_REDIS'] !== undefined) {
    throw new UsageError('BULLPEN_REDIS and BULLPEN_REDIS_FILE are both set: keep one');
  }
  const redis = url ?? fromFile ?? env['BULLPEN_REDIS'] ?? 'redis://127.0.0.1:6379';
  const redisPassword = files.secret('BULLPEN_REDIS_PASSWORD_FILE', readSecretLine);
  const signingKey = files.secret('BULLPEN_SIGNING_KEY_FILE', readSecretFile);
  const redisTls = readTls(files);
  const secrets = {
    ...(redisPassword !== undefined && { redisPassword }),
    ...(signingKey !== undefined && { signingKey }),
  };
  return { options: { redis, ...secrets, ...(redisTls && { redisTls }) }, warnings: files.warnings };
}

function readTls(files: NamedFiles): TlsMaterial | undefined {
  const ca = files.certificate('BULLPEN_REDIS_CA_FILE');
  const cert = files.certificate('BULLPEN_REDIS_CERT_FILE');
  const key = files.secret('BULLPEN_REDIS_KEY_FILE', (path) => readSecretFile(path, PEM_MAX_BYTES));
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError('BULLPEN_REDIS_CERT_FILE and BULLPEN_REDIS_KEY_FILE go together: set both or none');
  }
  if (ca === undefined && cert === undefined) return undefined;
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && key !== undefined && { client: { cert, key } }) };
}

class NamedFiles {
  readonly warnings: string[] = [];
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  secret(variable: string, read: (path: string) => SecretFile): string | undefined {
    const file = this.#read(variable, read);
    if (file?.warning) this.warnings.push(file.warning);
    return file?.text;
  }

  /** Public: who may read it doesn't matter. */
  certificate(variable: string): string | undefined {
    return this.#read(variable, (path) => readSecretFile(path, PEM_MAX_BYTES))?.text;
  }

  #read(variable: string, read: (path: string) => SecretFile): SecretFile | undefined {
    const path = this.#env[variable];
    if (path === undefined) return undefined;
    try {
      return read(path);
    } catch (error) {
      if (error instanceof SecretFileError) throw new UsageError(`${variable}: ${error.message}`);
      throw error;
    }
  }
}
