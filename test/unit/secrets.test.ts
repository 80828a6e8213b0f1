import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readAccess } from '../../producer/cli/access.ts';
import { createProducer } from '../../producer/index.ts';
import { readSecretFile, readSecretLine, SecretFileError } from '../../protocol/index.ts';
import { ConfigError, loadSettings } from '../../worker/config.ts';
import { readSecrets } from '../../worker/secrets.ts';

const SECRET = 'correct-horse-battery-staple-0001';
const directory = mkdtempSync(join(tmpdir(), 'bullpen-secrets-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;

function file(content: string | Uint8Array, mode = 0o600): string {
  files += 1;
  const path = join(directory, `secret-${files}`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function errorOf(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it was accepted');
}

/** Of a configuration of the worker: JSON fields, then environment. */
function secretsOf(config: object, env: NodeJS.ProcessEnv = {}) {
  return readSecrets(loadSettings(file(JSON.stringify({ version: 1, ...config })), env));
}

describe('a file with a secret', () => {
  it('is read without the line end at its end', () => {
    expect(readSecretLine(file(`${SECRET}\n`))).toEqual({ text: SECRET, warning: null });
  });

  it('is read through a symbolic link, as container engines make them', () => {
    const link = join(directory, 'link');
    symlinkSync(file(SECRET), link);
    expect(readSecretLine(link).text).toBe(SECRET);
  });

  it('that everybody may read is read with a warning; its group may', () => {
    expect(readSecretLine(file(SECRET, 0o644)).warning).toMatch(/may be read by everybody \(mode 0644\).*chmod 600/);
    expect(readSecretLine(file(SECRET, 0o640)).warning).toBeNull();
  });

  it.each([
    ['which its group may write', () => file(SECRET, 0o620), /may be written by others \(mode 0620\)/],
    ['which everybody may write', () => file(SECRET, 0o602), /may be written by others/],
    ['which is too long', () => file('x'.repeat(5000)), /longer than 4096 bytes/],
    ['which is empty', () => file(''), /is empty/],
    ['of two lines', () => file(`${SECRET}\n${SECRET}\n`), /one line of printable ASCII/],
    ['which is no text', () => file(Buffer.from([0xff, 0xfe, 0x41])), /UTF-8/],
    ['which is not there', () => join(directory, 'missing'), /can't be read: ENOENT/],
    ['which is a directory', () => directory, /no regular file/],
    ['which is a pipe that nobody writes', pipe, /no regular file/],
  ])('%s is refused', (_what, make, message) => {
    const error = errorOf(() => readSecretLine(make()));
    expect(error).toBeInstanceOf(SecretFileError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(SECRET);
  });

  it('may be longer where a longer one is expected', () => {
    expect(readSecretFile(file('x'.repeat(5000)), 6000).text).toHaveLength(5000);
  });
});

function pipe(): string {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', ['-m', '600', path]);
  return path;
}

describe('a worker', () => {
  it('takes password, keys and certificates from the files that its configuration names', () => {
    const secrets = secretsOf({
      redis: 'rediss://worker@redis.example:6380',
      redisPasswordFile: file('p@ss/word%\n'),
      redisTls: { caFile: file('CA', 0o644), client: { certFile: file('CERT', 0o644), keyFile: file('KEY') } },
      signingKeyFile: file(`${SECRET}\n${SECRET}2\n`),
    });
    expect(secrets).toEqual({
      redis: {
        url: 'rediss://worker:p%40ss%2Fword%25@redis.example:6380',
        tls: { ca: 'CA', client: { cert: 'CERT', key: 'KEY' } },
      },
      signingKeys: [SECRET, `${SECRET}2`],
      warnings: [],
    });
  });

  it('takes them from files that the environment names', () => {
    const env = {
      BULLPEN_REDIS_FILE: file('rediss://worker@redis.example\n'),
      BULLPEN_REDIS_PASSWORD_FILE: file('hunter2'),
      BULLPEN_SIGNING_KEY_FILE: file(SECRET),
      BULLPEN_REDIS_CA_FILE: file('CA'),
      BULLPEN_REDIS_CERT_FILE: file('CERT'),
      BULLPEN_REDIS_KEY_FILE: file('KEY'),
    };
    expect(secretsOf({}, env)).toMatchObject({
      redis: { url: 'rediss://worker:hunter2@redis.example', tls: { ca: 'CA', client: { cert: 'CERT', key: 'KEY' } } },
      signingKeys: [SECRET],
    });
  });

  it('warns of each file that everybody may read, certificates excepted', () => {
    const { warnings } = secretsOf(
      {
        redisPasswordFile: file('hunter2', 0o644),
        signingKeyFile: file(SECRET, 0o604),
      },
      { BULLPEN_REDIS_FILE: file('redis://worker@redis.example', 0o444) },
    );
    expect(warnings).toHaveLength(3);
    expect(warnings.join()).not.toContain(SECRET);
  });

  const password = `redis://worker:${SECRET}@redis.example`;
  it.each<[string, object, NodeJS.ProcessEnv, string]>([
    ['two passwords', { redis: password, redisPasswordFile: file('hunter2') }, {}, 'redisPasswordFile'],
    ['certificates without TLS', { redis: password, redisTls: {} }, {}, 'redisTls'],
    ['a key that is too short', { signingKeyFile: file('short') }, {}, 'signingKeyFile'],
    ['five keys', { signingKeyFile: file(`${SECRET}\n`.repeat(5)) }, {}, 'signingKeyFile'],
    ['a file that is not there', { redisPasswordFile: '/nowhere/secret' }, {}, 'redisPasswordFile'],
    ['a certificate without its key', {}, { BULLPEN_REDIS_CERT_FILE: file('CERT') }, 'redisTls.client.keyFile'],
    ['a URL twice', {}, { BULLPEN_REDIS: password, BULLPEN_REDIS_FILE: file(password) }, 'redis'],
    ['a URL that is none', {}, { BULLPEN_REDIS_FILE: file(`http://x:${SECRET}@y`) }, 'redis'],
  ])('refuses %s by field, without a word of what is secret', (_what, config, env, field) => {
    const error = errorOf(() => secretsOf(config, env));
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).issues[0]?.path).toBe(field);
    expect(error.message).not.toContain(SECRET);
  });
});

describe('the command', () => {
  it('takes the same files by the same names, and a URL of the command line first', () => {
    const env = {
      BULLPEN_REDIS_FILE: file('rediss://producer@redis.example'),
      BULLPEN_REDIS_PASSWORD_FILE: file('hunter2'),
      BULLPEN_SIGNING_KEY_FILE: file(SECRET, 0o644),
      BULLPEN_REDIS_CA_FILE: file('CA', 0o644),
    };
    expect(readAccess(undefined, env)).toMatchObject({
      options: {
        redis: 'rediss://producer@redis.example',
        redisPassword: 'hunter2',
        signingKey: SECRET,
        redisTls: { ca: 'CA' },
      },
      warnings: [expect.stringContaining('may be read by everybody')],
    });
    expect(readAccess('redis://elsewhere', env).options.redis).toBe('redis://elsewhere');
  });

  it.each<[string, NodeJS.ProcessEnv, RegExp]>([
    ['a certificate without its key', { BULLPEN_REDIS_CERT_FILE: file('CERT') }, /go together/],
    ['a URL twice', { BULLPEN_REDIS: 'redis://x', BULLPEN_REDIS_FILE: file('redis://y') }, /keep one/],
    [
      'a file that others may write',
      { BULLPEN_SIGNING_KEY_FILE: file(SECRET, 0o666) },
      /BULLPEN_SIGNING_KEY_FILE: .*written by others/,
    ],
  ])('refuses %s', (_what, env, message) => {
    const error = errorOf(() => readAccess(undefined, env));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(SECRET);
  });
});

describe('a producer', () => {
  it.each<[object, RegExp]>([
    [{ signingKey: 'short' }, /option signingKey must be 1 to 4 keys/],
    [{ redisPassword: '' }, /option redisPassword must be/],
    [{ redis: `redis://p:${SECRET}@y`, redisPassword: 'hunter2' }, /has a password already/],
    [{ redisTls: { ca: 'CA' } }, /rediss:/],
    [{ redis: 'rediss://y', redisTls: { rejectUnauthorized: false } }, /option redisTls must be/],
    [{ redis: 'rediss://y', redisTls: { client: { cert: 'CERT' } } }, /option redisTls must be/],
  ])('refuses the options %j', (options, message) => {
    const error = errorOf(() => createProducer({ redis: 'redis://y', ...options }));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(SECRET);
  });

  it('takes what it needs for TLS and for signing', async () => {
    const tls = { ca: 'CA', client: { cert: 'CERT', key: 'KEY' } };
    await createProducer({ redis: 'rediss://p@y', redisPassword: 'x', redisTls: tls, signingKey: SECRET }).close();
  });
});
