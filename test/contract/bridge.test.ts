import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { addon } from './addon.ts';

const NATIVE = fileURLToPath(new URL('../../native/', import.meta.url));
const runDir = mkdtempSync(join(tmpdir(), 'bullpen-bridge-'));
afterAll(() => rmSync(runDir, { recursive: true, force: true }));

function request(over: object = {}): string {
  return JSON.stringify({ runDir, uids: { first: 300000, count: 1024 }, slots: 2, ...over });
}

/** A configuration that opens; nothing is started before it is needed. */
function configuration(over: object = {}): string {
  const { instance, firstUid, uidCount } = JSON.parse(addon.lease(request()));
  const forkserverPath = join(NATIVE, 'bin/bullpen-forkserver');
  const pools = { python: { warm: 'none' } };
  return JSON.stringify({
    version: 1,
    runDir,
    instance,
    forkserverPath,
    uids: { first: firstUid, count: uidCount },
    pools,
    ...over,
  });
}

test('exports what the typings say, no more', () => {
  const typings = readFileSync(join(NATIVE, 'node/index.d.ts'), 'utf8');
  const declared = [...typings.matchAll(/^export (?:function|class) (\w+)/gm)].map(([, name]) => name);
  expect(Object.keys(addon).sort()).toEqual(declared.sort());
  for (const name of ['Engine', 'Execution'] as const) {
    const body = typings.split(`export class ${name} {`)[1]?.split('\n}')[0] ?? '';
    const methods = [...body.matchAll(/^ {2}(?!private|static)(\w+)\(/gm)].map(([, method]) => method);
    const own = Object.getOwnPropertyNames(addon[name].prototype).filter((method) => method !== 'constructor');
    expect(own.sort()).toEqual(methods.sort());
  }
});

test('two leases of one process share nothing', () => {
  const [one, other] = [addon.lease(request()), addon.lease(request())].map((text) => JSON.parse(text));
  expect(one.instance).not.toBe(other.instance);
  expect(one.firstUid).not.toBe(other.firstUid);
  expect(one).toMatchObject({ instance: expect.stringMatching(/^w-[a-z2-7]{5}$/), uidCount: 16, unclean: [] });
});

test.for([
  ['', 'lease-request'],
  ['{"runDir":"/x"}', 'lease-request'],
  [request({ slots: 2000 }), 'lease-uids'],
  [request({ runDir: '/proc/none' }), 'lease-host'],
])('lease(%j) throws %s', ([config = '', code]) => {
  expect(() => addon.lease(config)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(/^lease: /) }),
  );
});

test.for(['', '{}', configuration({ slots: 0 }), configuration({ unknown: 1 })])(
  'a configuration that is none rejects with a code: %s',
  async (config) => {
    const rejection = await addon.Engine.open(config).catch((error: unknown) => error);
    expect(rejection).toBeInstanceOf(Error);
    expect(rejection).toMatchObject({ code: 'engine-config' });
  },
);

const context = JSON.stringify({ uid: 'u', epoch: 1, tenant: 'default', id: 'i', queuedUs: 0, worker: 'w' });

test('a closed engine refuses by name and closes again', async () => {
  const engine = await addon.Engine.open(configuration());
  await engine.close();
  await engine.close();
  expect(() => engine.run(Buffer.from('{}'), context)).toThrow(expect.objectContaining({ code: 'engine-closed' }));
  await expect(engine.probe()).rejects.toMatchObject({ code: 'engine-closed' });
  expect(JSON.parse(engine.stats())).toBeTypeOf('object');
});

test('a context that is none is an error, a document that is none is a result', async () => {
  const engine = await addon.Engine.open(configuration());
  try {
    expect(() => engine.run(Buffer.from('{}'), '{}')).toThrow(expect.objectContaining({ code: 'engine-context' }));
    const execution = engine.run(Buffer.from('not JSON'), context);
    const first = await execution.wait();
    expect(JSON.parse(first.toString()).outcome).toMatchObject({ kind: 'rejected', rule: 'json' });
    expect((await execution.wait()).equals(first)).toBe(true);
    expect(await execution.read()).toBeNull();
    expect(() => execution.kill('because')).toThrow(expect.objectContaining({ code: 'engine-kill-reason' }));
    execution.kill('drain');
  } finally {
    await engine.close();
  }
});

test('arguments of the wrong type throw, and nothing is made by new', () => {
  // biome-ignore lint/suspicious/noExplicitAny: what the types forbid is the point.
  const untyped = addon as any;
  expect(() => untyped.lease(5)).toThrow(Error);
  expect(() => untyped.parseJob('text', 1)).toThrow(Error);
  expect(() => new untyped.Engine()).toThrow(Error);
});
