import { expect, it } from 'vitest';
import { ALL_TENANTS, EVERY_TENANT, TENANT_LIMITS, type TenantStanding } from '../../../protocol/index.ts';
import { DEFAULT_TENANTS } from '../../../schemas/defaults.ts';
import type { Tenants } from '../../../schemas/types.ts';
import { offer, type TestQueue, useRedis } from './bench-queue.ts';

const bench = useRedis();

const configure = (queue: TestQueue, tenants: Tenants | null) => queue.protocol.register(offer(), tenants);

const valuesOf = ({ limits }: TenantStanding) =>
  Object.fromEntries(TENANT_LIMITS.map((limit) => [limit, limits[limit].value]));

async function limitOf(queue: TestQueue, name: string, limit: (typeof TENANT_LIMITS)[number]) {
  const { value, from } = (await queue.protocol.readTenant(name)).limits[limit];
  return [value, from];
}

it('has the documented defaults built in', async () => {
  const queue = bench.queue();
  for (const name of ['acme', EVERY_TENANT]) {
    const standing = await queue.protocol.readTenant(name);
    expect(valuesOf(standing)).toEqual(DEFAULT_TENANTS.every);
    expect(Object.values(standing.limits).map(({ from }) => from)).toEqual(Array(4).fill('built-in'));
  }
  expect(valuesOf(await queue.protocol.readTenant(ALL_TENANTS))).toEqual({ weight: null, ...DEFAULT_TENANTS.total });
});

it('goes by the operator’s live word, then the configuration’s, then what they say of every tenant', async () => {
  const queue = bench.queue();
  const said = async () => [await limitOf(queue, 'acme', 'weight'), await limitOf(queue, 'other', 'weight')];
  await configure(queue, { every: { weight: 2 } });
  expect(await said()).toEqual(Array(2).fill([2, 'every-configured']));
  await queue.protocol.limitTenant(EVERY_TENANT, { weight: 3 });
  expect(await said()).toEqual(Array(2).fill([3, 'every-live']));
  await configure(queue, { every: { weight: 2 }, named: { acme: { weight: 4 } } });
  expect(await said()).toEqual([
    [4, 'configured'],
    [3, 'every-live'],
  ]);
  await queue.protocol.limitTenant('acme', { weight: 5 });
  expect(await said()).toEqual([
    [5, 'live'],
    [3, 'every-live'],
  ]);
  await queue.protocol.limitTenant('acme', { weight: 'unsaid' });
  expect(await limitOf(queue, 'acme', 'weight')).toEqual([4, 'configured']);
});

it('tells no cap from nothing said', async () => {
  const queue = bench.queue();
  await configure(queue, { every: { maxRunningJobs: 4 }, named: { acme: { maxRunningJobs: null } } });
  expect(await limitOf(queue, 'acme', 'maxRunningJobs')).toEqual([null, 'configured']);
  expect(await limitOf(queue, 'other', 'maxRunningJobs')).toEqual([4, 'every-configured']);
});

it('changes only the limits that are named', async () => {
  const queue = bench.queue();
  await queue.protocol.limitTenant('acme', { weight: 5, maxQueuedJobs: 7 });
  await queue.protocol.limitTenant('acme', { maxQueuedJobs: null });
  expect(await limitOf(queue, 'acme', 'weight')).toEqual([5, 'live']);
  expect(await limitOf(queue, 'acme', 'maxQueuedJobs')).toEqual([null, 'live']);
});

it('a configuration replaces the one before; none, and a heartbeat, leave it', async () => {
  const queue = bench.queue();
  await configure(queue, { named: { acme: { weight: 4 } }, total: { maxRunningJobs: 9 } });
  await configure(queue, null);
  await queue.protocol.heartbeat(offer());
  expect(await limitOf(queue, 'acme', 'weight')).toEqual([4, 'configured']);
  await configure(queue, { named: { other: { maxQueuedJobs: 6 } } });
  expect(await limitOf(queue, 'acme', 'weight')).toEqual([1, 'built-in']);
  expect(await limitOf(queue, ALL_TENANTS, 'maxRunningJobs')).toEqual([null, 'built-in']);
  expect(await limitOf(queue, 'other', 'maxQueuedJobs')).toEqual([6, 'configured']);
});

it('the live word outlives the workers: one that starts again with its configuration changes nothing', async () => {
  const queue = bench.queue();
  const tenants = { named: { acme: { weight: 4 } } };
  await configure(queue, tenants);
  await queue.protocol.limitTenant('acme', { weight: 8 });
  await queue.protocol.deregister({ instance: 'w-1', bootId: 'boot-1' });
  await configure(queue, tenants);
  expect(await limitOf(queue, 'acme', 'weight')).toEqual([8, 'live']);
});

it('a worker that is refused for another offer says nothing of tenants', async () => {
  const queue = bench.queue();
  await configure(queue, { named: { acme: { weight: 4 } } });
  const other = offer({ instance: 'w-2', bootId: 'boot-2', digest: 'different' });
  const answer = await queue.protocol.register(other, { named: { acme: { weight: 9 } } });
  expect(answer).toEqual({ answer: 'differs', instance: 'w-1' });
  expect(await limitOf(queue, 'acme', 'weight')).toEqual([4, 'configured']);
});

it('the configuration holds from the first release on', async () => {
  const queue = bench.queue();
  for (const id of ['j1', 'j2', 'j3']) await queue.accept(id);
  const answer = await configure(queue, { every: { maxRunningJobs: 1 } });
  expect(answer).toMatchObject({ answer: 'registered', releases: [expect.any(String)] });
});

it('lists tenants of which something is said or that wait, and forgets of whom nothing is said any more', async () => {
  const queue = bench.queue();
  await queue.accept('j1', { tenant: 'waits' });
  await queue.protocol.limitTenant('said', { weight: 5 });
  await queue.protocol.limitTenant(EVERY_TENANT, { weight: 2 });
  await queue.protocol.limitTenant(ALL_TENANTS, { maxRunningJobs: 2 });
  expect(await queue.protocol.listTenants()).toEqual(['said', 'waits']);
  await queue.protocol.limitTenant('said', { weight: 'unsaid' });
  expect(await queue.protocol.listTenants()).toEqual(['waits']);
  expect(await bench.redis.exists(queue.keys.tenant('said'))).toBe(0);
});

it('says something of 10,000 names at most, and of those again', async () => {
  const queue = bench.queue();
  const names = Array.from({ length: 10_000 }, (_, n) => [`t${n}`, '3 ? ? ?']);
  await bench.redis.hset(queue.keys.tenants, ...names.flat());
  expect(await queue.protocol.limitTenant('one-more', { weight: 2 })).toEqual({ answer: 'too-many', limit: 10_000 });
  expect(await bench.redis.exists(queue.keys.tenant('one-more'))).toBe(0);
  expect(await queue.protocol.limitTenant('t7', { weight: 2 })).toEqual({ answer: 'said' });
});

it('tells what a tenant and what all have in the queue', async () => {
  const queue = bench.queue();
  for (const id of ['j1', 'j2', 'j3', 'j4']) await queue.accept(id);
  await queue.accept('j1', { tenant: 'other' });
  await queue.register({ slots: 2 });
  const bytes = Buffer.byteLength('{"id":"j1"}');
  const ofTenant = { queuedJobs: 2, queuedBytes: 2 * bytes, runningJobs: 2 };
  expect(await queue.protocol.readTenant('acme')).toMatchObject(ofTenant);
  const ofAll = { queuedJobs: 5, queuedBytes: 2 * bytes, runningJobs: 3 };
  expect(await queue.protocol.readTenant(ALL_TENANTS)).toMatchObject(ofAll);
});

it('workers hear of a live change on the sweep channel', async () => {
  const queue = bench.queue();
  const listener = bench.redis.duplicate();
  await listener.subscribe(queue.keys.sweep);
  const heard = new Promise((resolve) => listener.once('message', resolve));
  await queue.protocol.limitTenant('acme', { weight: 2 });
  expect(await heard).toBe(queue.keys.sweep);
  listener.disconnect();
});
