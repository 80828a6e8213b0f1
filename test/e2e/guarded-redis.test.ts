// A Redis as an operator would run it: TLS with certificates of both sides, a login for each role, signed jobs.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { findFreePort } from '../../ops/private-redis.ts';
import { createProducer, type Producer, type ProducerOptions } from '../../producer/index.ts';
import { keysOf } from '../../protocol/index.ts';
import type { Job } from '../../schemas/types.ts';
import { type Certificates, makeCertificates } from '../helpers/certificates.ts';
import { GuardedRedis } from '../helpers/guarded-redis.ts';
import { until } from '../helpers/pen.ts';
import { WorkerProcess } from '../helpers/worker-process.ts';

const QUEUE = 'guarded';
const KEY = randomBytes(32).toString('hex');
const directory = mkdtempSync(join(tmpdir(), 'bullpen-tls-'));
let certificates: Certificates;
let guarded: GuardedRedis;
let admin: Redis;
let tlsPort: number;
const opened: (Producer | WorkerProcess)[] = [];

beforeAll(async () => {
  certificates = makeCertificates(directory);
  const { ca, server } = certificates;
  writeFileSync(join(directory, 'signing-key'), `${KEY}\n`, { mode: 0o600 });
  tlsPort = await findFreePort();
  guarded = await GuardedRedis.start({
    'tls-port': String(tlsPort),
    'tls-ca-cert-file': ca,
    'tls-cert-file': server.cert,
    'tls-key-file': server.key,
    'tls-auth-clients': 'yes',
  });
  admin = guarded.connect('admin');
});
afterAll(async () => {
  await guarded.close();
  rmSync(directory, { recursive: true, force: true });
});
afterEach(async () => {
  for (const one of opened.splice(0)) await ('stop' in one ? one.stop() : one.close());
});

function producer(over: Partial<ProducerOptions> = {}): Producer {
  const text = (path: string): string => readFileSync(path, 'utf8');
  const { ca, client } = certificates;
  const made = createProducer({
    redis: `rediss://producer@127.0.0.1:${tlsPort}`,
    redisPassword: guarded.passwordOf('producer'),
    redisTls: { ca: text(ca), client: { cert: text(client.cert), key: text(client.key) } },
    signingKey: KEY,
    queue: QUEUE,
    ...over,
  });
  opened.push(made);
  return made;
}

function worker(over: Record<string, unknown> = {}): WorkerProcess {
  const { ca, client } = certificates;
  const started = WorkerProcess.start({
    redis: `rediss://worker@127.0.0.1:${tlsPort}`,
    redisPasswordFile: guarded.passwordFileOf('worker'),
    redisTls: { caFile: ca, client: { certFile: client.cert, keyFile: client.key } },
    signingKeyFile: join(directory, 'signing-key'),
    queue: QUEUE,
    logLevel: 'trace',
    ...over,
  });
  opened.push(started);
  return started;
}

/** Ends a worker in order and returns all that it has logged. */
async function lastWordsOf(one: WorkerProcess): Promise<string> {
  one.kill('SIGTERM');
  await one.exited;
  return one.log();
}

function job(id: string): Job {
  return { kind: 'job', version: 1, id, runtime: 'bash', source: 'echo fine' };
}

/** Changes what Redis holds of a job that waits. */
async function change(id: string, fields: Record<string, string>, queue = QUEUE): Promise<void> {
  const keys = keysOf(queue);
  await admin.hset(keys.job((await admin.get(keys.id('default', id))) ?? ''), fields);
}

/** The document of a job with other code, and what Redis says of it. */
function evil(id: string): { document: string; sha256: string } {
  const document = JSON.stringify({ ...job(id), source: 'echo evil' });
  return { document, sha256: createHash('sha256').update(document).digest('hex') };
}

it('signed jobs run by TLS and narrow logins; what was changed in Redis or was never signed is rejected; no secret is logged', async () => {
  await guarded.refusals();
  const signing = producer();
  const fine = await signing.submit(job('fine'));
  const changed = await signing.submit(job('changed'));
  const again = await signing.submit(job('again'));
  const unsigned = await producer({ signingKey: undefined as never }).submit(job('unsigned'));
  const other = await producer({ signingKey: randomBytes(32).toString('hex') }).submit(job('other-key'));
  await change(changed.id, evil(changed.id));
  await change(again.id, { attempts: '9' });

  const serving = worker();
  expect((await fine.result({ timeoutMs: 60_000 })).stdout?.text).toBe('fine\n');
  for (const handle of [changed, again, unsigned, other]) {
    const { outcome, rewardSafe } = await handle.result({ timeoutMs: 60_000 });
    expect(outcome, handle.id).toMatchObject({ kind: 'rejected', rule: 'signature' });
    expect(rewardSafe).toBe(false);
  }
  const log = await lastWordsOf(serving);
  expect(await guarded.refusals()).toEqual(['worker toplevel command config|get']);
  expect(log).toContain('appendfsync unknown');
  expect(log).not.toContain(guarded.passwordOf('worker'));
  expect(log).not.toContain(KEY);
});

it('a job changed in Redis runs where nobody asks for a signature: it is the signature that stops it', async () => {
  const queue = 'unsigned';
  const handle = await producer({ queue }).submit(job('changed'));
  await change(handle.id, evil(handle.id), queue);
  worker({ queue, signingKeyFile: undefined });
  expect((await handle.result({ timeoutMs: 60_000 })).stdout?.text).toBe('evil\n');
});

it.each([
  ['without a certificate of its own', () => ({ redisTls: { ca: readFileSync(certificates.ca, 'utf8') } })],
  ['of an authority that it was not told', () => ({ redisTls: {} })],
  ['of another authority', () => ({ redisTls: { ca: readFileSync(certificates.strangerCa, 'utf8') } })],
  ['with a wrong password', () => ({ redisPassword: 'wrong-password-of-a-test' })],
])('a producer gets nowhere %s, and no secret into its error', async (_what, over) => {
  const error = await producer({ ...over(), connectTimeoutMs: 1500 })
    .submit(job('never'))
    .catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'queue-unavailable' });
  const told = `${JSON.stringify(error)} ${String(error)} ${String((error as Error).cause)}`;
  expect(told).not.toContain('wrong-password-of-a-test');
  expect(told).not.toContain(guarded.passwordOf('producer'));
});

it('a worker with a wrong password says so without it, at every level of its log', async () => {
  const secret = join(directory, 'wrong');
  writeFileSync(secret, 'wrong-password-of-a-test\n', { mode: 0o600 });
  const refused = worker({ redisPasswordFile: secret });
  await until('it says why', () => refused.log().includes('WRONGPASS'), 20_000);
  expect(await lastWordsOf(refused)).not.toContain('wrong-password-of-a-test');
});

it('a Redis that evicts is refused, unless the operator accepts it', async () => {
  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
  try {
    const refused = worker();
    expect(await refused.exited).toBe(4);
    expect(refused.log()).toContain('maxmemory-policy is allkeys-lru');
    const accepting = worker({ redisMayEvict: true });
    await until('it serves', () => accepting.log().includes('"msg":"serving"'), 20_000);
    expect(accepting.log()).toContain('may evict jobs and results, as configured');
  } finally {
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
  }
});
