import { readdirSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { SCRIPTS } from '../../../protocol/scripts.ts';
import { TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();
const FOLDER = new URL('../../../protocol/scripts/', import.meta.url);
const FILES = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.lua'));

function textOf(file: string): string {
  return readFileSync(new URL(file, FOLDER), 'utf8');
}

/** First segments of what a text names after `KEY` or `CHANNEL` in its header. */
function listed(text: string): Set<string> {
  return new Set([...text.matchAll(/^-- (?:KEY|CHANNEL) ([A-Za-z-]+)/gm)].map((match) => match[1] ?? ''));
}

/** First segments of the keys and channels that a text makes from the prefix. */
function used(text: string): Set<string> {
  return new Set([...text.matchAll(/P \.\. '([A-Za-z-]+)/g)].map((match) => match[1] ?? ''));
}

it.each(FILES)('%s lists in its header every key and channel that it names, and no other', (file) => {
  const text = textOf(file);
  expect(listed(text)).toEqual(used(text));
});

it.each(Object.keys(SCRIPTS))('%s takes the queue’s prefix as its only key, and makes every other from it', (name) => {
  const text = textOf(`${name}.lua`);
  expect(text).toMatch(/^local P = KEYS\[1\]$/m);
  expect(text).not.toMatch(/KEYS\[[^1]/);
  const calls = SCRIPTS[name as keyof typeof SCRIPTS].source.matchAll(/redis\.call\('([A-Z]+)'(?:, ([^,)]+))?/g);
  const keyless = new Set(['TIME', 'INFO']);
  for (const [call, command, key] of calls) {
    if (keyless.has(command ?? '')) continue;
    expect(key, call).toMatch(/^(P \.\. '|[a-z]+_key$|running$)/);
  }
});

it('every script is loaded, none is left over', () => {
  const files = FILES.filter((file) => !file.startsWith('parts/')).map((file) => file.replace('.lua', ''));
  expect(Object.keys(SCRIPTS).sort()).toEqual(files.sort());
  for (const { source } of Object.values(SCRIPTS)) expect(source).not.toContain('--- include');
});

it('only what new work needs is refused by a full Redis', () => {
  const refused = Object.values(SCRIPTS).filter(({ source }) => !source.startsWith('#!lua flags=allow-oom\n'));
  expect(refused.map(({ name }) => name)).toEqual(['accept', 'admit']);
});

it('a whole life of a job touches only keys and channels of its queue: a login that may do no more suffices', async () => {
  const admin = new TestQueue(bench.redis);
  const { prefix } = admin.keys;
  await bench.redis.call(
    'ACL',
    'SETUSER',
    'pen',
    'on',
    '>secret',
    '+@all',
    `~${prefix}*`,
    'resetchannels',
    `&${prefix}*`,
  );
  const redis = new Redis(bench.server.url, { username: 'pen', password: 'secret' });
  const queue = new TestQueue(redis, admin.name);
  await queue.register();
  const { uid } = await queue.accept('j1');
  await queue.accept('j2');
  await queue.run(uid);
  await queue.protocol.cancel({ tenant: 'acme', id: 'j2' });
  expect(await queue.commit(uid, { dead: 'worker-died' })).toMatchObject({ answer: 'ok' });
  expect((await queue.protocol.sweep()).endings).toHaveLength(1);
  await queue.protocol.release();
  await queue.protocol.appendAudit([]);
  await queue.protocol.stats();
  await queue.protocol.deregister({ instance: 'w-1', bootId: 'boot-1' });
  await expect(new TestQueue(redis).accept('j1')).rejects.toThrow(/NOPERM|permission/);
  redis.disconnect();
});

it('goes on after SCRIPT FLUSH', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await bench.redis.script('FLUSH');
  await queue.run(uid);
  await bench.redis.script('FLUSH');
  expect(await queue.commit(uid)).toMatchObject({ answer: 'ok' });
});

it('goes on after a restart of Redis, with everything that was accepted', async () => {
  const queue = bench.queue();
  const { uid } = await queue.accept('j1');
  await bench.server.restart();
  expect((await queue.run(uid)).epoch).toBe(1);
});
