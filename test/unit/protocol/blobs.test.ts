import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { sha256Of } from '../../../protocol/blobs.ts';
import { BlobCorruptError } from '../../../protocol/index.ts';
import { useRedis } from './bench-queue.ts';

const bench = useRedis();
const CHUNK = 512 * 1024;

it.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 5 * CHUNK + 7])(
  '%i bytes come back as they were put',
  async (size) => {
    const queue = bench.queue();
    const bytes = randomBytes(size);
    const reference = await queue.protocol.putBlob('acme', bytes);
    expect(reference).toBe(`sha256:${sha256Of(bytes)}`);
    expect(Buffer.compare((await queue.protocol.getBlob('acme', reference)) ?? Buffer.from('none'), bytes)).toBe(0);
  },
);

it('no value in Redis is longer than 512 KiB, and each has an end', async () => {
  const queue = bench.queue();
  const bytes = randomBytes(3 * CHUNK + 1);
  await queue.protocol.putBlob('acme', bytes, 60_000);
  const keys = (await bench.redis.keys(`${queue.keys.prefix}blob:*`)).sort();
  expect(keys).toEqual([0, 1, 2, 3].map((n) => queue.keys.blob('acme', sha256Of(bytes), n)));
  expect(await Promise.all(keys.map((key) => bench.redis.strlen(key)))).toEqual([CHUNK, CHUNK, CHUNK, 1]);
  for (const key of keys) expect(await bench.redis.pttl(key)).toBeGreaterThan(50_000);
});

it('is null for content that is not there or is another tenant’s', async () => {
  const queue = bench.queue();
  const reference = await queue.protocol.putBlob('acme', Buffer.from('secret'));
  expect(await queue.protocol.getBlob('other', reference)).toBeNull();
  expect(await queue.protocol.getBlob('acme', `sha256:${'0'.repeat(64)}`)).toBeNull();
  await expect(queue.protocol.getBlob('acme', 'sha256:../../x')).rejects.toThrow(RangeError);
});

it('detects content that was changed, shortened or cut in Redis; putting it again heals it', async () => {
  const queue = bench.queue();
  const bytes = randomBytes(CHUNK + 10);
  const reference = await queue.protocol.putBlob('acme', bytes);
  const last = queue.keys.blob('acme', sha256Of(bytes), 1);
  await bench.redis.setrange(last, 3, 'evil');
  await expect(queue.protocol.getBlob('acme', reference)).rejects.toThrow(BlobCorruptError);
  await bench.redis.set(last, 'short');
  await expect(queue.protocol.getBlob('acme', reference)).rejects.toThrow(BlobCorruptError);
  await bench.redis.del(last);
  await expect(queue.protocol.getBlob('acme', reference)).rejects.toThrow(BlobCorruptError);
  await queue.protocol.putBlob('acme', bytes);
  expect(await queue.protocol.getBlob('acme', reference)).toHaveLength(CHUNK + 10);
});

it('putting it again lengthens its life and never shortens it', async () => {
  const queue = bench.queue();
  const bytes = randomBytes(CHUNK + 1);
  await queue.protocol.putBlob('acme', bytes, 100_000);
  const life = async () =>
    Math.min(...(await Promise.all([0, 1].map((n) => bench.redis.pttl(queue.keys.blob('acme', sha256Of(bytes), n))))));
  await queue.protocol.putBlob('acme', bytes, 1000);
  expect(await life()).toBeGreaterThan(90_000);
  await queue.protocol.putBlob('acme', bytes, 300_000);
  expect(await life()).toBeGreaterThan(290_000);
});

it('a full Redis refuses inputs, and takes what jobs have produced', async () => {
  const queue = bench.queue();
  const bytes = randomBytes(CHUNK + 1);
  await bench.redis.config('SET', 'maxmemory', '1mb');
  try {
    await expect(queue.protocol.putBlob('acme', bytes)).rejects.toThrow(/^OOM /);
    const reference = await queue.protocol.putResultBlob('acme', bytes, 60_000);
    expect(Buffer.compare((await queue.protocol.getBlob('acme', reference)) ?? Buffer.alloc(0), bytes)).toBe(0);
  } finally {
    await bench.redis.config('SET', 'maxmemory', '0');
  }
  await queue.protocol.putResultBlob('acme', bytes, 1000);
  expect(await bench.redis.pttl(queue.keys.blob('acme', sha256Of(bytes), 1))).toBeGreaterThan(50_000);
});
