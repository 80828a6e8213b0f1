import { expect, it } from 'vitest';
import { seededRandom } from '../../chaos/random.ts';
import { useRedis } from './bench-queue.ts';
import { TenantModel } from './tenant-model.ts';

const bench = useRedis();
const STEPS = 150;
/** What all sequences did. */
const seen: string[] = [];

it.each(Array.from({ length: 12 }, (_, n) => 1000 + n))(
  'sums, places, caps and turns are right after every step of the sequence of seed %i, and every job ends once',
  async (seed) => {
    const model = new TenantModel(bench.queue(), seededRandom(seed));
    const steps: string[] = [];
    await model.open();
    try {
      for (let n = 0; n < STEPS; n++) {
        steps.push(await model.step());
        await model.check();
      }
      await model.finish();
    } catch (error) {
      throw new Error(`${(error as Error).message}\nafter ${steps.length} steps of seed ${seed}:\n${steps.join('\n')}`);
    }
    seen.push(...steps);
  },
);

it.each([
  /^accept .*: tenant-queued-jobs$/,
  /^accept .*: tenant-queued-bytes$/,
  /^accept .*: total-queued-jobs$/,
  /^accept .*: total-queued-bytes$/,
  /^begin .*: cancelled$/,
  /^begin .*: lost$/,
  /^commit .* 2: ok$/,
  /^crash$/,
  /^sweep: .* [1-9]\d* to end$/,
  /"maxRunningJobs":0/,
])('met %s in those sequences', (what) => {
  expect(seen.filter((step) => what.test(step)).length).toBeGreaterThan(1);
});

it('sees a sum that is wrong, and a job that is nowhere', async () => {
  const queue = bench.queue();
  const model = new TenantModel(queue, seededRandom(7));
  await model.open();
  for (let n = 0; n < 40; n++) await model.step();
  await model.check();
  await bench.redis.hincrby(queue.keys.queuedBytes, 'a', 1);
  await expect(model.check()).rejects.toThrow('queued bytes of a');
  await bench.redis.hincrby(queue.keys.queuedBytes, 'a', -1);
  await model.check();
  const uid = (await bench.redis.smembers(queue.keys.running('a')))[0] ?? '';
  await bench.redis.srem(queue.keys.running('a'), uid);
  await expect(model.check()).rejects.toThrow(uid);
});
