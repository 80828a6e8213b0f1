import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, loadSettings } from '../../../worker/config.ts';
import { readmeBlocks } from '../../helpers/readme.ts';

const directory = mkdtempSync(join(tmpdir(), 'bullpen-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(content: string): string {
  const path = join(directory, `${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(path, content);
  return path;
}

function refusal(load: () => unknown): ConfigError {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a worker configuration', () => {
  it('is safe defaults where nothing is said', () => {
    expect(loadSettings(null, {})).toMatchObject({
      redis: 'redis://127.0.0.1:6379',
      redisIsConfigured: false,
      queue: 'default',
      slots: 4,
      backends: ['process'],
      runDir: '/run/bullpen',
      document: { version: 1 },
    });
  });

  it('comes from the file that the flag or BULLPEN_CONFIG names, the flag first', () => {
    const one = file('{"version":1,"slots":1}');
    const two = file('{"version":1,"slots":2}');
    expect(loadSettings(null, { BULLPEN_CONFIG: one }).slots).toBe(1);
    expect(loadSettings(two, { BULLPEN_CONFIG: one }).slots).toBe(2);
  });

  it('takes what the README shows of tenants', () => {
    const shown = readmeBlocks('json').filter((block) => block.includes('"tenants"'));
    expect(shown).toHaveLength(1);
    expect(loadSettings(file(shown[0] ?? ''), {}).tenants).toMatchObject({ named: { acme: { weight: 30 } } });
  });

  it('lets the environment go before the file', () => {
    const settings = loadSettings(file('{"version":1,"slots":1,"queue":"a"}'), {
      BULLPEN_SLOTS: '7',
      BULLPEN_REDIS: 'redis://10.0.0.1:6379',
      BULLPEN_LOCK_MS: '2000',
    });
    expect(settings).toMatchObject({ slots: 7, queue: 'a', lockMs: 2000, redisIsConfigured: true });
    expect(settings.document).toMatchObject({ slots: 7, redis: 'redis://10.0.0.1:6379' });
  });

  it.each([
    ['127.0.0.1:9000', { host: '127.0.0.1', port: 9000 }],
    ['[::1]:9000', { host: '::1', port: 9000 }],
    ['::1:9000', { host: '::1', port: 9000 }],
    ['unix:/run/w.sock', { socket: '/run/w.sock' }],
  ])('takes BULLPEN_HTTP=%s for a listener', (text, http) => {
    expect(loadSettings(null, { BULLPEN_HTTP: text }).http).toEqual(http);
  });

  it.each(['9000', 'localhost', 'localhost:', 'http://localhost:9000/x', 'host:123456'])(
    'does not take BULLPEN_HTTP=%s for one',
    (text) => {
      expect(refusal(() => loadSettings(null, { BULLPEN_HTTP: text })).issues[0]?.path).toBe('BULLPEN_HTTP');
    },
  );

  it('has no listener where nobody asked for one', () => {
    expect(loadSettings(null, {}).http).toBeUndefined();
  });

  it('takes the secret from the file that BULLPEN_REDIS_FILE names', () => {
    const secret = file('redis://:pass@10.0.0.1:6379\n');
    expect(loadSettings(null, { BULLPEN_REDIS_FILE: secret }).redis).toBe('redis://:pass@10.0.0.1:6379');
  });

  it.each([
    ['an unknown field', '{"version":1,"slotz":4}', 'slotz', 'additionalProperties'],
    ['a wrong type', '{"version":1,"slots":"4"}', 'slots', 'type'],
    ['a number out of range', '{"version":1,"slots":0}', 'slots', 'minimum'],
    ['an unknown backend', '{"version":1,"backends":["docker"]}', 'backends[0]', 'enum'],
    ['a key twice', '{"version":1,"slots":1,"slots":2}', 'slots', 'duplicate-key'],
    ['no version', '{}', 'version', 'required'],
    ['not JSON', 'slots: 4', '', 'json'],
  ])('that has %s is refused by field and rule', (_what, content, path, rule) => {
    const error = refusal(() => loadSettings(file(content), {}));
    expect(error.issues[0]).toMatchObject({ path, rule });
    expect(error.message).toContain(`[${rule}]`);
  });

  it('names the variable that holds no integer', () => {
    const error = refusal(() => loadSettings(null, { BULLPEN_SLOTS: 'many' }));
    expect(error.issues).toEqual([{ path: 'BULLPEN_SLOTS', rule: 'type', message: 'must be a decimal integer' }]);
  });

  it('names the variables when a value of theirs is out of range', () => {
    const error = refusal(() => loadSettings(null, { BULLPEN_SLOTS: '0' }));
    expect(error.issues[0]).toMatchObject({ path: 'slots', rule: 'minimum' });
    expect(error.message).toContain('BULLPEN_SLOTS');
  });

  it('is refused when it can not be read', () => {
    const error = refusal(() => loadSettings(join(directory, 'absent.json'), {}));
    expect(error.issues[0]).toMatchObject({ path: 'config', rule: 'file' });
    expect(error.message).toContain('ENOENT');
  });

  it('is refused when the secret comes twice', () => {
    const env = { BULLPEN_REDIS: 'redis://a:1', BULLPEN_REDIS_FILE: file('redis://b:1') };
    expect(refusal(() => loadSettings(null, env)).issues[0]).toMatchObject({ path: 'redis', rule: 'exactly-one-of' });
  });
});
